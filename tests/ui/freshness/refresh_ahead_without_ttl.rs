use cache_core::cached_lru;

#[cached_lru(refresh_ahead = 0.8)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
