use cache_core::cached_lru;

#[cached_lru]
async fn get<T: From<u64>>(id: u64) -> T {
    T::from(id)
}

fn main() {}
