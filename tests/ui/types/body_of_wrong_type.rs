use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> String {
    id
}

fn main() {}
