use cache_core::cached_lru;

#[cached_lru(stale_if_error = "5m")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
