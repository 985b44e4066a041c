//! Keys of two parts, a `u64` and a `&str`, which a cache has to own and a lookup should borrow.

use std::future::ready;

use cache_benches::once::poll_once;
use cache_core::{cached_lru, cached_ttl};
use cached::macros::{cached, concurrent_cached};
use equivalent::Equivalent;

use super::{Measure, SHARDED, each_key, fibre, load, moka_future, moka_sync, texts};

#[cached_lru(max_size = 1024)]
async fn lru(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

#[cached_ttl(max_size = 1024, ttl = "1h")]
async fn ttl(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

#[cached_lru(max_size = 1024, policy = "tiny_lfu")]
async fn tiny_lfu(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

#[cached(max_size = 1024, ttl_secs = 3600)]
async fn cached_ttl_of_cached(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

#[concurrent_cached(max_size = 2048)]
async fn concurrent_lru_of_cached(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

#[concurrent_cached(max_size = 2048, ttl_secs = 3600)]
async fn concurrent_ttl_of_cached(id: u64, text: &str) -> u64 {
    load(id + text.len() as u64)
}

/// Hashes and compares like the key that is kept, as users of the peers would write it.
#[derive(Hash)]
struct Borrowed<'a>(u64, &'a str);

impl Equivalent<(u64, String)> for Borrowed<'_> {
    fn equivalent(&self, key: &(u64, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

/// Measures them all.
pub(crate) fn all(measure: &mut impl Measure) {
    let texts = texts();
    let text = |id: u64| &*texts[usize::try_from(id).expect("a small number")];

    measure.measure("#[cached_lru]", |id| lru(id, text(id)));
    measure.measure("#[cached_ttl]", |id| ttl(id, text(id)));
    measure.measure(r#"#[cached_lru(policy = "tiny_lfu")]"#, |id| tiny_lfu(id, text(id)));

    measure.measure("cached #[cached]", |id| cached_lru_of_cached(id, text(id)));
    measure.measure("cached #[cached], TTL", |id| cached_ttl_of_cached(id, text(id)));
    measure.measure("cached #[concurrent_cached]", |id| {
        concurrent_lru_of_cached(id, text(id))
    });
    measure.measure("cached #[concurrent_cached], TTL", |id| {
        concurrent_ttl_of_cached(id, text(id))
    });

    let owned = |id: u64| (id, text(id).to_owned());
    let borrowed = |id: u64| Borrowed(id, text(id));

    let cache = moka_sync(None);
    each_key(|id| cache.insert(owned(id), id + 1));
    cache.run_pending_tasks();
    measure.measure("moka sync", |id| ready(cache.get(&borrowed(id)).expect("a hit")));

    let cache = &moka_future();
    each_key(|id| poll_once(cache.insert(owned(id), id + 1)));
    poll_once(cache.run_pending_tasks());
    measure.measure("moka future", |id| async move {
        cache.get(&borrowed(id)).await.expect("a hit")
    });

    let cache = quick_cache::sync::Cache::new(SHARDED);
    each_key(|id| cache.insert(owned(id), id + 1));
    measure.measure("quick_cache", |id| ready(cache.get(&borrowed(id)).expect("a hit")));

    // What it looks up by has to be a part of the key (`Borrow`), which two parts are not.
    let cache = fibre(None);
    each_key(|id| cache.insert(owned(id), id + 1, 1));
    measure.measure("fibre_cache, by an owned key", |id| {
        ready(cache.get(&owned(id), |value| *value).expect("a hit"))
    });

    let map = papaya::HashMap::<(u64, String), u64, foldhash::fast::RandomState>::default();
    each_key(|id| assert_eq!(map.pin().insert(owned(id), id + 1), None));
    measure.measure("papaya pin().get", |id| {
        ready(*map.pin().get(&borrowed(id)).expect("a hit"))
    });
}
