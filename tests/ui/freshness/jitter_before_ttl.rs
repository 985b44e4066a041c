use cache_core::cached_lru;

#[cached_lru(jitter = "10s", ttl = "5s")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
