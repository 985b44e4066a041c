use cache_core::cached_lru;

#[cached_lru(err_ttl = "1s")]
async fn get(name: &str) -> Result<u64, &str> {
    Err(name)
}

fn main() {}
