use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(window = "5ms")]
async fn load_users(id: u64) -> Result<HashMap<u64, u64>, String> {
    Ok(HashMap::from([(id, id)]))
}

fn main() {}
