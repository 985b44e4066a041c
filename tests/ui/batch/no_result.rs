use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch]
async fn load_users(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
