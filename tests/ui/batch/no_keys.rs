use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(skip(db))]
async fn load_users(db: &str) -> Result<HashMap<u64, u64>, String> {
    Err(db.to_owned())
}

fn main() {}
