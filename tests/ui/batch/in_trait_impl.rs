use std::collections::HashMap;

use cache_core::cached_batch;

trait Load {
    async fn load(&self, ids: &[u64]) -> Result<HashMap<u64, u64>, String>;
}

#[derive(Clone)]
struct Users;

impl Load for Users {
    #[cached_batch(skip(self))]
    async fn load(&self, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        Ok(ids.iter().map(|id| (*id, *id)).collect())
    }
}

fn main() {}
