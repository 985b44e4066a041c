use cache_core::cached_ttl;

#[cached_ttl(max_size = 0, stale_while_revalidate = "30s", jitter = 0.1)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
