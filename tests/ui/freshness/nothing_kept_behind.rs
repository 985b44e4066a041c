use cache_core::cached_lru;

#[cached_lru(err_ttl = "1s", max_size = 0)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
