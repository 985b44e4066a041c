use cache_core::cached_ttl;

#[cached_ttl(ttl = "60s", ttl_fn = |_| std::time::Duration::ZERO)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
