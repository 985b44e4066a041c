use cache_core::cached_lru;

#[cached_lru(policy = "lfu")]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
