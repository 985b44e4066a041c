use cache_core::cached_batch;

#[cached_batch]
async fn load_users(ids: &[u64]) -> Result<u64, String> {
    Ok(ids[0])
}

fn main() {}
