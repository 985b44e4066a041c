use std::collections::HashMap;

use cache_core::cached_batch;

struct Users;

impl Users {
    #[cached_batch]
    async fn load(&self, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        Ok(ids.iter().map(|id| (*id, *id)).collect())
    }
}

fn main() {}
