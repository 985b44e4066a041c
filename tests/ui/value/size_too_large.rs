use cache_core::cached_lru;

#[cached_lru(max_size = 99_999_999_999_999_999_999)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
