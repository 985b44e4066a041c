use cache_core::cached_lru;

#[cached_lru(max_size = 10, max_size = 20)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
