use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch]
async fn load_users(names: &[&str]) -> Result<HashMap<String, u64>, String> {
    Ok(names.iter().map(|name| (name.to_string(), 1)).collect())
}

fn main() {}
