use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(load_timeout = "1s", err_ttl = "1s")]
async fn load_users(ids: &[u64]) -> Result<HashMap<u64, u64>, std::io::Error> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}
