use cache_core::cached_lru;

#[cached_lru(jitter = 0.1)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
