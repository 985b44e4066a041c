use cache_core::cached_lru;

#[cached_lru(cache_if = |id: &u64| *id)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
