use cache_core::cached_ttl;

const SHARE: u64 = 80;

#[cached_ttl(refresh_ahead = SHARE)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
