use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(skip(db))]
async fn load_users(db: &mut u64, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    *db += 1;
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}
