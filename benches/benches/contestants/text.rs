//! Keys that are a `&str`.

use std::future::ready;

use cache_benches::once::poll_once;
use cache_core::{cached_lru, cached_ttl};
use cached::macros::{cached, concurrent_cached};

use super::{Measure, SHARDED, each_key, fibre, load, moka_future, moka_sync, texts};

#[cached_lru(max_size = 1024)]
async fn lru(text: &str) -> u64 {
    load(text.len() as u64)
}

#[cached_ttl(max_size = 1024, ttl = "1h")]
async fn ttl(text: &str) -> u64 {
    load(text.len() as u64)
}

#[cached_lru(max_size = 1024, policy = "tiny_lfu")]
async fn tiny_lfu(text: &str) -> u64 {
    load(text.len() as u64)
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached(text: &str) -> u64 {
    load(text.len() as u64)
}

#[cached(max_size = 1024, ttl_secs = 3600)]
async fn cached_ttl_of_cached(text: &str) -> u64 {
    load(text.len() as u64)
}

#[concurrent_cached(max_size = 2048)]
async fn concurrent_lru_of_cached(text: &str) -> u64 {
    load(text.len() as u64)
}

#[concurrent_cached(max_size = 2048, ttl_secs = 3600)]
async fn concurrent_ttl_of_cached(text: &str) -> u64 {
    load(text.len() as u64)
}

/// Measures them all.
pub(crate) fn all(measure: &mut impl Measure) {
    let texts = texts();
    let text = |id: u64| &*texts[usize::try_from(id).expect("a small number")];
    let owned = |id: u64| text(id).to_owned();

    measure.measure("#[cached_lru]", |id| lru(text(id)));
    measure.measure("#[cached_ttl]", |id| ttl(text(id)));
    measure.measure(r#"#[cached_lru(policy = "tiny_lfu")]"#, |id| tiny_lfu(text(id)));

    measure.measure("cached #[cached]", |id| cached_lru_of_cached(text(id)));
    measure.measure("cached #[cached], TTL", |id| cached_ttl_of_cached(text(id)));
    measure.measure("cached #[concurrent_cached]", |id| concurrent_lru_of_cached(text(id)));
    measure.measure("cached #[concurrent_cached], TTL", |id| {
        concurrent_ttl_of_cached(text(id))
    });

    let cache = moka_sync(None);
    each_key(|id| cache.insert(owned(id), id + 1));
    cache.run_pending_tasks();
    measure.measure("moka sync", |id| ready(cache.get(text(id)).expect("a hit")));

    let cache = &moka_future();
    each_key(|id| poll_once(cache.insert(owned(id), id + 1)));
    poll_once(cache.run_pending_tasks());
    measure.measure(
        "moka future",
        |id| async move { cache.get(text(id)).await.expect("a hit") },
    );

    let cache = quick_cache::sync::Cache::new(SHARDED);
    each_key(|id| cache.insert(owned(id), id + 1));
    measure.measure("quick_cache", |id| ready(cache.get(text(id)).expect("a hit")));

    let cache = fibre(None);
    each_key(|id| cache.insert(owned(id), id + 1, 1));
    measure.measure("fibre_cache", |id| {
        ready(cache.get(text(id), |value| *value).expect("a hit"))
    });

    let map = papaya::HashMap::<String, u64, foldhash::fast::RandomState>::default();
    each_key(|id| assert_eq!(map.pin().insert(owned(id), id + 1), None));
    measure.measure("papaya pin().get", |id| ready(*map.pin().get(text(id)).expect("a hit")));
}
