use cache_core::cached_lru;

#[cached_lru(window = "5ms", none_ttl = "1s")]
async fn load_user(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
