use std::collections::HashMap;

use cache_core::cached_batch;

struct Db;

#[cached_batch(skip(db, other))]
async fn load_users(db: &Db, other: Db, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    let _ = (db, other);
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}
