use cache_core::cached_ttl;

fn ttl(_: &String) -> std::time::Duration {
    std::time::Duration::ZERO
}

#[cached_ttl(ttl_fn = ttl)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
