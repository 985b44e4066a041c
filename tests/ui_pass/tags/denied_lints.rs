#![deny(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    unused,
    unsafe_code,
    unreachable_pub,
    rust_2018_idioms
)]
//! Strict.

use cache_core::{Cache, cached_in, cached_lru, invalidates};

/// Gets.
#[cached_lru(tags("strict", "strict:{id}"), tag_fn = |n| [n.to_string()])]
pub(crate) async fn get(id: u64, _other: &str) -> u64 {
    id
}

/// Gets what is tagged alike whatever it is.
#[cached_lru(tags("strict"))]
pub(crate) async fn constant(id: u64) -> u64 {
    id
}

/// Gets by name.
#[cached_lru(key = (name, id), tags("strict:{name}"), tag_fn = |n| [n.to_string()])]
pub(crate) async fn named(name: String, id: u64) -> u64 {
    id + name.len() as u64
}

/// Changes.
#[invalidates(tag = "strict:{id}", tag = "strict")]
pub(crate) async fn change(id: u64) {
    let _ = id;
}

/// Holds.
#[derive(Debug)]
pub(crate) struct Users(Cache<u64, u64>);

impl Users {
    /// Gets.
    #[cached_in(self.0, tags("strict:{id}"), tag_fn = |n| [n.to_string()])]
    pub(crate) async fn get(&self, id: u64) -> u64 {
        id
    }

    /// Counts.
    #[cached_lru(skip(self), tags("strict", "strict:{id}"))]
    pub(crate) async fn count(&self, id: u64) -> u64 {
        id
    }

    /// Counts by session.
    #[cache_core::agent_cached(resource = "strict", scope = "session", key = (self.0.len(), id), tags("strict:{id}"))]
    pub(crate) async fn session(&self, id: u64) -> u64 {
        id
    }
}

/// Of a resource.
#[cache_core::agent_cached(resource = "strict", scope = "session", tags("strict"))]
pub(crate) async fn tool(id: u64) -> u64 {
    id
}

/// Of a resource.
#[cache_core::agent_invalidates(resource = "strict", key_fn = |id| id)]
pub(crate) async fn use_tool(id: u64) {
    let _ = id;
}

pub(crate) fn main() {
    futures::executor::block_on(async {
        get(1, "").await;
        constant(1).await;
        named("x".to_owned(), 1).await;
        change(1).await;
        tool(1).await;
        use_tool(1).await;
        let users = Users(Cache::builder().build());
        users.get(users.count(1).await).await;
        users.session(1).await;
    });
}
