use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(windw = "5ms", max_batch, none_ttl = "0s", detached, key = ids)]
async fn load_users(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}
