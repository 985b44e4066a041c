//! Whose hits are measured: this library, its peers, and a bare map, which no cache can beat.
//!
//! All have room for every key and are asked for nothing else, so that they only hit, which [`hits_only`] asserts:
//! whatever loads counts itself, and what cannot load panics when a key is missing. The bound is 1,024 entries where a
//! cache has one bound, and 2,048 where its shards divide it (`#[concurrent_cached]`, `quick_cache`, `fibre_cache`):
//! keys do not fall evenly, so that with 1,024 some would be missed at every turn.

#![allow(dead_code, reason = "each benchmark measures some of them")]

pub(crate) mod number;
pub(crate) mod number_and_text;
pub(crate) mod text;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_benches::once::poll_once;
use moka::policy::EvictionPolicy;

/// How many keys there are.
pub(crate) const KEYS: u16 = 1024;
/// Room for all of them in every shard that they may fall into.
pub(crate) const SHARDED: usize = 2048;
/// An age that no run reaches, for who has to look at the clock.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// How often anything was loaded.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// The body of every cached function.
fn load(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    id + 1
}

/// What is done with each contestant.
pub(crate) trait Measure {
    /// `ask` gets the value of the key with the given number, which is below [`KEYS`].
    fn measure<F: Future<Output = u64>>(&mut self, name: &str, ask: impl Fn(u64) -> F + Sync);
}

/// Asks for every key twice: once so that it is there, and once so that nothing is done for the first time.
pub(crate) fn fill<F: Future<Output = u64>>(ask: impl Fn(u64) -> F) {
    for id in (0..KEYS).chain(0..KEYS) {
        poll_once(ask(id.into()));
    }
}

/// Asserts that nothing is loaded meanwhile.
pub(crate) fn hits_only<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let before = LOADS.load(Ordering::Relaxed);
    let output = run();
    let missed = LOADS.load(Ordering::Relaxed) - before;
    assert_eq!(
        missed, 0,
        "`{name}` did not only hit, so that this is not what a hit costs"
    );
    output
}

/// An entry for every key, made by whoever calls.
fn each_key(mut insert: impl FnMut(u64)) {
    (0..KEYS).for_each(|id| insert(id.into()));
}

/// The texts that stand for the keys.
fn texts() -> Vec<String> {
    (0..KEYS).map(|id| format!("region-{id}")).collect()
}

fn moka_sync<K: Eq + std::hash::Hash + Send + Sync + 'static>(ttl: Option<Duration>) -> moka::sync::Cache<K, u64> {
    let builder = moka::sync::Cache::builder()
        .max_capacity(KEYS.into())
        .eviction_policy(EvictionPolicy::lru());
    match ttl {
        Some(ttl) => builder.time_to_live(ttl).build(),
        None => builder.build(),
    }
}

fn moka_future<K: Eq + std::hash::Hash + Send + Sync + 'static>() -> moka::future::Cache<K, u64> {
    moka::future::Cache::builder()
        .max_capacity(KEYS.into())
        .eviction_policy(EvictionPolicy::lru())
        .build()
}

fn fibre<K: Eq + std::hash::Hash + Clone + Send + Sync + 'static>(ttl: Option<Duration>) -> fibre_cache::Cache<K, u64> {
    let builder = fibre_cache::CacheBuilder::default().capacity(SHARDED as u64);
    match ttl {
        Some(ttl) => builder.time_to_live(ttl).build(),
        None => builder.build(),
    }
    .expect("it is set up as it asks for")
}
