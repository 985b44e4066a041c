use cache_core::cached_ttl;

fn ttl() -> fn(&u64) -> std::time::Duration {
    |_| std::time::Duration::ZERO
}

#[cached_ttl(ttl_fn = ttl())]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
