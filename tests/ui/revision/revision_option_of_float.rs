use cache_core::cached_revision;

#[cached_revision(revision = Some(0.5))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
