use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get(x: impl Into<u64>) -> u64 {
    x.into()
}

fn main() {}
