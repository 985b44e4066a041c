use cache_core::{cached_lru, cached_ttl};

#[cached_lru]
#[cached_ttl]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
