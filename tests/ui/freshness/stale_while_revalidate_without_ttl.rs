use cache_core::cached_lru;

#[cached_lru(stale_while_revalidate = "30s")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
