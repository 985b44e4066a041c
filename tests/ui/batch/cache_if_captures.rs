use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(skip(db), cache_if = |value| *value > db)]
async fn load_users(db: u64, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, *id + db)).collect())
}

fn main() {}
