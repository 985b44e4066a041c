#![deny(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    unused,
    unsafe_code,
)]
//! Strict.

use cache_core::{Cache, cached_in, cached_lru, invalidates};

/// Gets.
#[cached_lru]
pub async fn get(id: u64) -> u64 {
    id
}

/// Gets by name.
#[cached_lru(key = name)]
pub async fn named(name: String) -> u64 {
    name.len() as u64
}

/// Changes.
#[invalidates(get, named("x".to_owned()))]
pub async fn change(id: u64) {
    let _ = id;
}

/// Holds.
#[derive(Debug)]
pub struct Users(Cache<u64, u64>);

impl Users {
    /// Gets.
    #[cached_in(self.0)]
    pub async fn get(&self, id: u64) -> u64 {
        id
    }

    /// Counts.
    #[cached_lru(skip(self))]
    pub async fn count(&self, id: u64) -> u64 {
        id
    }
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await;
        named("x".to_owned()).await;
        change(1).await;
        let users = Users(Cache::builder().build());
        users.get(users.count(1).await).await;
    });
}
