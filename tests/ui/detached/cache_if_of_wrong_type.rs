use cache_core::cached_lru;

#[cached_lru(detached, cache_if = |value: &u64| *value)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
