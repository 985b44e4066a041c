#![deny(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    unused,
    unsafe_code,
)]
//! Strict.

use std::sync::Arc;

use cache_core::{Cache, LoadTimeout, cached_in, cached_lru, cached_ttl};

/// Gets.
#[cached_lru(detached)]
pub async fn get(id: u64) -> u64 {
    id
}

/// Gets by name.
#[cached_lru(detached, key = name)]
pub async fn named(name: &str) -> u64 {
    name.len() as u64
}

/// Gets with all there is.
#[cached_ttl(
    ttl = "60s",
    jitter = 0.1,
    refresh_ahead = 0.8,
    stale_while_revalidate = "30s",
    stale_if_error = "5m",
    retry_after = "1s",
    err_ttl = "1s",
    soft_timeout = "50ms",
    load_timeout = "2s",
    skip(db)
)]
pub async fn everything(db: &Arc<String>, id: u64, name: Option<&str>) -> Result<u64, LoadTimeout> {
    Ok(id + db.len() as u64 + name.map_or(0, str::len) as u64)
}

/// Holds.
#[derive(Clone, Debug)]
pub struct Users(Cache<u64, u64>);

impl Users {
    /// Gets.
    #[cached_in(self.0, detached)]
    pub async fn get(&self, id: u64) -> u64 {
        id
    }

    /// Gets more.
    #[cached_in(self.0, detached, key = *id)]
    pub async fn more(self: Arc<Self>, id: &u64) -> u64 {
        *id + self.0.len() as u64
    }

    /// Counts.
    #[cached_lru(detached, skip(self))]
    pub async fn count(&self, id: u64) -> u64 {
        id
    }
}

/// Of any cache.
#[cached_in(cache, detached, key = id)]
pub async fn of_any<V: cache_core::Value + Default>(cache: &Cache<u64, V>, id: u64) -> V {
    V::default()
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await;
        named("x").await;
        everything(&Arc::default(), 1, None).await.unwrap();
        let users = Users(Cache::builder().build());
        users.get(users.count(1).await).await;
        Arc::new(users.clone()).more(&2).await;
        of_any(&users.0, 3).await;
    });
}
