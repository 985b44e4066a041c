use cache_core::cached_batch;

#[cached_batch]
async fn load_users(ids: &[f64]) -> Result<Vec<(f64, u64)>, String> {
    Ok(ids.iter().map(|id| (*id, 1)).collect())
}

fn main() {}
