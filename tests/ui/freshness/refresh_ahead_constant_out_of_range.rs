use cache_core::cached_ttl;

const SHARE: f64 = 1.5;

#[cached_ttl(refresh_ahead = SHARE)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
