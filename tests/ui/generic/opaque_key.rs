use cache_core::cached_lru;

#[cached_lru]
async fn get(id: impl Into<u64>) -> u64 {
    id.into()
}

fn main() {}
