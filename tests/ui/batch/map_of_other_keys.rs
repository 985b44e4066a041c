use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch]
async fn load_users(ids: &[u64]) -> Result<HashMap<u32, u64>, String> {
    Ok(ids.iter().map(|id| (*id as u32, *id)).collect())
}

fn main() {}
