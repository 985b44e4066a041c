use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(window = "5ms")]
async fn load_users(name: &str) -> Result<HashMap<String, u64>, String> {
    Ok(HashMap::from([(name.to_owned(), 1)]))
}

fn main() {}
