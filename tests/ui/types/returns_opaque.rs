use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> impl std::fmt::Display {
    id
}

fn main() {}
