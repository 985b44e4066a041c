use std::collections::HashMap;

use cache_core::cached_batch;

struct User(u64);

#[cached_batch]
async fn load_users(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
    Ok(ids.iter().map(|id| (*id, User(*id))).collect())
}

fn main() {}
