//! Keys that are a `u64`.

use std::future::ready;

use cache_benches::once::poll_once;
use cache_core::{Cache, cached_lru, cached_ttl};
use cached::macros::{cached, concurrent_cached};

use super::{HOUR, KEYS, Measure, SHARDED, each_key, fibre, load, moka_future, moka_sync};

#[cached_lru(max_size = 1024)]
async fn lru(id: u64) -> u64 {
    load(id)
}

#[cached_ttl(max_size = 1024, ttl = "1h")]
async fn ttl(id: u64) -> u64 {
    load(id)
}

#[cached_lru(max_size = 1024, policy = "tiny_lfu")]
async fn tiny_lfu(id: u64) -> u64 {
    load(id)
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached(id: u64) -> u64 {
    load(id)
}

#[cached(max_size = 1024, ttl_secs = 3600)]
async fn cached_ttl_of_cached(id: u64) -> u64 {
    load(id)
}

#[concurrent_cached(max_size = 2048)]
async fn concurrent_lru_of_cached(id: u64) -> u64 {
    load(id)
}

#[concurrent_cached(max_size = 2048, ttl_secs = 3600)]
async fn concurrent_ttl_of_cached(id: u64) -> u64 {
    load(id)
}

/// Measures them all.
pub(crate) fn all(measure: &mut impl Measure) {
    measure.measure("#[cached_lru]", lru);
    measure.measure("#[cached_ttl]", ttl);
    measure.measure(r#"#[cached_lru(policy = "tiny_lfu")]"#, tiny_lfu);

    let cache = Cache::<u64, u64>::builder().max_size(KEYS.into()).build();
    each_key(|id| poll_once(cache.insert(id, id + 1)));
    measure.measure("Cache::get", |id| ready(cache.get(&id).expect("a hit")));

    measure.measure("cached #[cached]", cached_lru_of_cached);
    measure.measure("cached #[cached], TTL", cached_ttl_of_cached);
    measure.measure("cached #[concurrent_cached]", concurrent_lru_of_cached);
    measure.measure("cached #[concurrent_cached], TTL", concurrent_ttl_of_cached);

    for (name, age) in [("moka sync", None), ("moka sync, TTL", Some(HOUR))] {
        let cache = moka_sync(age);
        each_key(|id| cache.insert(id, id + 1));
        cache.run_pending_tasks();
        measure.measure(name, |id| ready(cache.get(&id).expect("a hit")));
    }

    let cache = &moka_future();
    each_key(|id| poll_once(cache.insert(id, id + 1)));
    poll_once(cache.run_pending_tasks());
    measure.measure("moka future", |id| async move { cache.get(&id).await.expect("a hit") });

    let cache = quick_cache::sync::Cache::new(SHARDED);
    each_key(|id| cache.insert(id, id + 1));
    measure.measure("quick_cache", |id| ready(cache.get(&id).expect("a hit")));

    for (name, age) in [("fibre_cache", None), ("fibre_cache, TTL", Some(HOUR))] {
        let cache = fibre(age);
        each_key(|id| cache.insert(id, id + 1, 1));
        measure.measure(name, |id| ready(cache.get(&id, |value| *value).expect("a hit")));
    }

    let map = papaya::HashMap::<u64, u64, foldhash::fast::RandomState>::default();
    each_key(|id| assert_eq!(map.pin().insert(id, id + 1), None));
    measure.measure("papaya pin().get", |id| ready(*map.pin().get(&id).expect("a hit")));
}
