//! What a miss costs whose load is ready at once: looking, loading, storing, and evicting what is there for too long.
//!
//! Every call has a new key, in a cache that is full at its bound of 1,024 entries, so that each evicts one. Each has
//! to load exactly once, which is counted. No runtime takes part: a task that awaits one call after the other is
//! polled once, by hand. A row that says so lets concurrent callers of a key share a load, as this library does.

#![expect(
    clippy::unused_async,
    reason = "the bodies of the cached functions; `cached` leaves them as they are"
)]

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_benches::once::{Once, poll_once};
use cache_benches::settings;
use cache_core::{Cache, cached_lru, cached_ttl};
use cached::macros::{cached, concurrent_cached};
use cached::{Cached as _, ShardedLruCache, ShardedLruTtlCache};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use moka::policy::EvictionPolicy;

const BOUND: usize = 1024;

/// How often anything was loaded.
static LOADS: AtomicU64 = AtomicU64::new(0);

fn load(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    id + 1
}

#[cached_lru(max_size = BOUND)]
async fn lru(id: u64) -> u64 {
    load(id)
}

#[cached_ttl(max_size = BOUND, ttl = "1h")]
async fn ttl(id: u64) -> u64 {
    load(id)
}

#[cached_lru(max_size = BOUND, policy = "tiny_lfu")]
async fn tiny_lfu(id: u64) -> u64 {
    load(id)
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached(id: u64) -> u64 {
    load(id)
}

#[cached(max_size = 1024, sync_writes = "by_key")]
async fn cached_shared_of_cached(id: u64) -> u64 {
    load(id)
}

#[cached(max_size = 1024, ttl_secs = 3600)]
async fn cached_ttl_of_cached(id: u64) -> u64 {
    load(id)
}

#[concurrent_cached(max_size = 1024)]
async fn concurrent_lru_of_cached(id: u64) -> u64 {
    load(id)
}

#[concurrent_cached(max_size = 1024, ttl_secs = 3600)]
async fn concurrent_ttl_of_cached(id: u64) -> u64 {
    load(id)
}

fn measure<F: Future<Output = u64>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    ask: impl Fn(u64) -> F,
    len: impl Fn() -> usize,
) {
    let calls = Cell::new(0);
    let ask = || {
        calls.set(calls.get() + 1);
        ask(black_box(calls.get()))
    };
    let before = LOADS.load(Ordering::Relaxed);
    for _ in 0..4 * BOUND {
        poll_once(ask());
    }
    let bound = BOUND + BOUND / 10;
    assert!(len() <= bound, "`{name}` is not bounded: it holds {} entries", len());
    group.bench_function(name, |bencher| bencher.to_async(Once).iter(ask));
    let loads = LOADS.load(Ordering::Relaxed) - before;
    assert_eq!(loads, calls.get(), "`{name}` did not load once for each call");
    assert!(len() <= bound, "`{name}` is not bounded: it holds {} entries", len());
}

fn miss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("miss with an immediate load");
    measure(&mut group, "#[cached_lru]", lru, || lru::cache().len());
    measure(&mut group, "#[cached_ttl]", ttl, || ttl::cache().len());
    measure(&mut group, r#"#[cached_lru(policy = "tiny_lfu")]"#, tiny_lfu, || {
        tiny_lfu::cache().len()
    });

    let cache = Cache::<u64, u64>::builder().max_size(BOUND).build();
    measure(
        &mut group,
        "Cache::get_or_load",
        |id| cache.get_or_load(id, move || async move { load(id) }),
        || cache.len(),
    );

    // The length of what `cached` keeps is behind its locks, which are free here.
    measure(&mut group, "cached #[cached]", cached_lru_of_cached, || {
        poll_once(CACHED_LRU_OF_CACHED.write()).cache_size()
    });
    measure(
        &mut group,
        "cached #[cached], shared loads",
        cached_shared_of_cached,
        || poll_once(CACHED_SHARED_OF_CACHED.write()).cache_size(),
    );
    measure(&mut group, "cached #[cached], TTL", cached_ttl_of_cached, || {
        poll_once(CACHED_TTL_OF_CACHED.write()).cache_size()
    });
    measure(
        &mut group,
        "cached #[concurrent_cached]",
        concurrent_lru_of_cached,
        || CONCURRENT_LRU_OF_CACHED.get().map_or(0, ShardedLruCache::len),
    );
    measure(
        &mut group,
        "cached #[concurrent_cached], TTL",
        concurrent_ttl_of_cached,
        || CONCURRENT_TTL_OF_CACHED.get().map_or(0, ShardedLruTtlCache::len),
    );

    let cache = moka::sync::Cache::builder()
        .max_capacity(BOUND as u64)
        .eviction_policy(EvictionPolicy::lru())
        .build();
    measure(
        &mut group,
        "moka sync get_with, shared loads",
        |id| ready(cache.get_with(id, || load(id))),
        || {
            cache.run_pending_tasks();
            usize::try_from(cache.entry_count()).expect("a small number")
        },
    );

    let cache = moka::future::Cache::builder()
        .max_capacity(BOUND as u64)
        .eviction_policy(EvictionPolicy::lru())
        .build();
    measure(
        &mut group,
        "moka future get_with, shared loads",
        |id| cache.get_with(id, async move { load(id) }),
        || {
            poll_once(cache.run_pending_tasks());
            usize::try_from(cache.entry_count()).expect("a small number")
        },
    );

    let cache = quick_cache::sync::Cache::<u64, u64>::new(BOUND);
    let cache = &cache;
    measure(
        &mut group,
        "quick_cache get_or_insert_async, shared loads",
        |id| async move {
            let value = cache.get_or_insert_async(&id, async { Ok::<_, Infallible>(load(id)) });
            value.await.expect("it cannot fail")
        },
        || cache.len(),
    );

    // Its asynchronous face runs each load as a task of a runtime, which takes more than one poll.
    let cache = fibre_cache::CacheBuilder::default()
        .capacity(BOUND as u64)
        .loader(|id: u64| (load(id), 1))
        .build()
        .expect("it is set up as it asks for");
    measure(
        &mut group,
        "fibre_cache sync fetch_with, shared loads",
        |id| ready(*cache.fetch_with(&id)),
        || usize::try_from(cache.metrics().current_cost).expect("a small number"),
    );
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = miss
}
criterion_main!(benches);
