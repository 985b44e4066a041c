use cache_core::cached_ttl;

fn share() -> f64 {
    0.8
}

#[cached_ttl(refresh_ahead = share())]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
