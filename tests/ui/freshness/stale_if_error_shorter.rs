use cache_core::cached_ttl;

#[cached_ttl(stale_while_revalidate = "5m", stale_if_error = "1m")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
