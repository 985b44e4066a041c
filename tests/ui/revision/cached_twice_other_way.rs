use cache_core::{cached_lru, cached_revision};

#[cached_lru]
#[cached_revision(revision = 1)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
