use cache_core::cached_lru;

#[cached_lru]
async fn get<T: Into<u64>>(id: T) -> u64 {
    id.into()
}

fn main() {}
