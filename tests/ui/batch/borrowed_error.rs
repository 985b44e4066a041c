use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(skip(why))]
async fn load_users<'a>(why: &'a str, ids: &[u64]) -> Result<HashMap<u64, u64>, &'a str> {
    if ids.is_empty() { Err(why) } else { Ok(HashMap::new()) }
}

fn main() {}
