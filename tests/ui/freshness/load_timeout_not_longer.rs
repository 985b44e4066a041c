use cache_core::cached_ttl;

#[cached_ttl(load_timeout = "1s", stale_if_error = "5m", soft_timeout = "2s")]
async fn get(id: u64) -> Result<u64, cache_core::LoadTimeout> {
    Ok(id)
}

fn main() {}
