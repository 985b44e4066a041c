use cache_core::cached_ttl;

#[cached_ttl(stale_while_revalidate = "0s")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
