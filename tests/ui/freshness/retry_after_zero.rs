use cache_core::cached_ttl;

#[cached_ttl(stale_if_error = "5m", retry_after = "0ms")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
