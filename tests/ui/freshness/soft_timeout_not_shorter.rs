use cache_core::cached_ttl;

#[cached_ttl(soft_timeout = "2s", stale_if_error = "5m", load_timeout = "2s")]
async fn get(id: u64) -> Result<u64, cache_core::LoadTimeout> {
    Ok(id)
}

fn main() {}
