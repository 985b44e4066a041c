use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(window = 5)]
async fn load_users(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}
