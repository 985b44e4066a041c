use cache_core::cached_lru;

#[cached_lru(max_sise = 10, ttl = 60, skip(nobody))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
