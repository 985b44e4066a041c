use cache_core::cached_lru;

#[cached_lru(name = users)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
