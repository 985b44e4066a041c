use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get(x: &mut u64) -> u64 {
    *x
}

fn main() {}
