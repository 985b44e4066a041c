use cache_core::cached_ttl;

#[cached_ttl(ttl_fn = |_| std::time::Duration::ZERO, ttl = "60s")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
