use cache_core::cached_ttl;

const JITTER: u64 = 5;

#[cached_ttl(jitter = JITTER)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
