use cache_core::cached_lru;

#[cached_lru(detached, cache_if = |value| *value < limit)]
async fn get(id: u64, limit: u64) -> u64 {
    id + limit
}

fn main() {}
