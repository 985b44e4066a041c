use cache_core::cached_ttl;

#[cached_ttl(detached, ttl = "60s", detached)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
