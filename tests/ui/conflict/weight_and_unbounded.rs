use cache_core::cached_lru;

#[cached_lru(max_weight = 10, weigher = weigh, unbounded)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
