#![deny(missing_docs, missing_debug_implementations, non_camel_case_types, unused, unsafe_code)]
//! Strict.

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};
use cache_core::idempotent;

/// Creates, for what the attribute names alone.
#[idempotent(store = replay, key = key, scope = (tenant, principal.0), payload = (item, &count))]
pub async fn create(
    replay: &IdempotencyStore,
    key: Option<&str>,
    tenant: &str,
    principal: (u64,),
    item: String,
    count: u32,
) -> Result<u64, IdempotencyError> {
    Ok(1)
}

#[idempotent(store = replay, key = key, scope = ("main", 1), payload = ())]
async fn by_outcome_alone(replay: &IdempotencyStore, key: &str) -> Result<u64, IdempotencyError> {
    Ok(1)
}

/// Orders.
#[derive(Clone, Debug)]
pub struct Orders(IdempotencyStore);

impl Orders {
    /// Creates.
    #[idempotent(store = self.0, key = key, scope = ("main", 1), payload = (), name = "Orders::create")]
    pub async fn create(&self, key: &str) -> Result<u64, IdempotencyError> {
        Ok(2)
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let replay = IdempotencyStore::new(MemoryBackend::new());
        create(&replay, Some("a"), "acme", (1,), String::new(), 1).await.unwrap();
        by_outcome_alone::outcome(&replay, "a").await.unwrap();
        Orders(replay).create("a").await.unwrap();
    });
}
