use cache_core::cached_lru;

#[cached_lru(max_size = 10, jitter = "5s", stale_while_revalidate = "30s", stale_if_error = "5m")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
