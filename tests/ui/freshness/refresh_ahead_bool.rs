use cache_core::cached_ttl;

#[cached_ttl(refresh_ahead = true)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
