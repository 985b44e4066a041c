use cache_core::cached_lru;

#[cached_lru(weigher = weigh)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
