use cache_core::cached_ttl;

#[cached_ttl(jitter = -0.1)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
