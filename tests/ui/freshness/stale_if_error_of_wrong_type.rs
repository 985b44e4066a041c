use cache_core::cached_ttl;

fn seconds() -> u64 {
    60
}

#[cached_ttl(stale_if_error = seconds())]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
