use cache_core::cached_ttl;

#[cached_ttl(ttl = "10s", jitter = "10s")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
