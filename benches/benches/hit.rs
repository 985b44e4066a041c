//! What a hit costs, on one thread, beside the peers.
//!
//! All are asked for the same keys in the same turn, so that no single entry stays hot. All have room for every key,
//! and prove that they were only ever hit: whatever loads counts itself. A hit waits for nothing, so no runtime takes
//! part: a task that awaits one call after the other is polled once, by hand.

#![expect(
    clippy::unused_async,
    reason = "the bodies of the cached functions; `cached` leaves them as they are"
)]

use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_core::{Cache, cached_lru, cached_ttl};
use cached::macros::{cached, concurrent_cached};
use criterion::async_executor::AsyncExecutor;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use moka::policy::EvictionPolicy;

/// Keys asked for in turn: as many as the caches have room for.
const KEYS: u64 = 1024;

/// How often anything was loaded.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// The body of every cached function.
fn load(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    id + 1
}

#[cached_lru(max_size = 1024)]
async fn lru(id: u64) -> u64 {
    load(id)
}

// The room is the default, spelled out; the age is one that no run reaches.
#[cached_ttl(max_size = 1024, ttl = "1h")]
async fn ttl(id: u64) -> u64 {
    load(id)
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached(id: u64) -> u64 {
    load(id)
}

// Its shards divide the bound between them, and keys do not fall evenly: with 1,024 some would be missed at every turn.
#[concurrent_cached(max_size = 2048)]
async fn concurrent_lru_of_cached(id: u64) -> u64 {
    load(id)
}

#[cached_lru(max_size = 1024)]
async fn lru_named(id: u64, name: &str) -> u64 {
    load(id + name.len() as u64)
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached_named(id: u64, name: &str) -> u64 {
    load(id + name.len() as u64)
}

#[concurrent_cached(max_size = 2048)]
async fn concurrent_lru_of_cached_named(id: u64, name: &str) -> u64 {
    load(id + name.len() as u64)
}

/// Polls once, because a hit does not wait. A runtime would cost more than what is measured.
struct Once;

impl AsyncExecutor for Once {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("a hit had to wait"),
        }
    }
}

/// Fills by asking, then measures asking again, as a task does that awaits one call after the other.
fn measure<F: Future<Output = u64>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut ask: impl FnMut(u64) -> F,
) {
    for id in 0..KEYS {
        Once.block_on(ask(id));
    }
    let before = LOADS.load(Ordering::Relaxed);
    let mut id = 0;
    group.bench_function(name, |bencher| {
        bencher.to_async(Once).iter(|| {
            id = (id + 1) % KEYS;
            ask(black_box(id))
        });
    });
    let missed = LOADS.load(Ordering::Relaxed) - before;
    assert_eq!(
        missed, 0,
        "`{name}` did not only hit, so that this is not what a hit costs"
    );
}

fn by_number(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hit by u64");
    measure(&mut group, "#[cached_lru]", lru);
    measure(&mut group, "#[cached_ttl]", ttl);

    let cache = Cache::<u64, u64>::builder().max_size(1024).build();
    (0..KEYS).for_each(|id| Once.block_on(cache.insert(id, load(id))));
    measure(&mut group, "Cache::get", |id| ready(cache.get(&id).expect("a hit")));

    let cache = moka::sync::Cache::builder()
        .max_capacity(KEYS)
        .eviction_policy(EvictionPolicy::lru())
        .build();
    (0..KEYS).for_each(|id| cache.insert(id, load(id)));
    cache.run_pending_tasks();
    measure(&mut group, "moka::sync::Cache::get", |id| {
        ready(cache.get(&id).expect("a hit"))
    });

    let cache = moka::future::Cache::builder()
        .max_capacity(KEYS)
        .eviction_policy(EvictionPolicy::lru())
        .build();
    (0..KEYS).for_each(|id| Once.block_on(cache.insert(id, load(id))));
    Once.block_on(cache.run_pending_tasks());
    let cache = &cache;
    measure(&mut group, "moka::future::Cache::get", |id| async move {
        cache.get(&id).await.expect("a hit")
    });

    measure(&mut group, "cached #[cached]", cached_lru_of_cached);
    measure(&mut group, "cached #[concurrent_cached]", concurrent_lru_of_cached);
    group.finish();
}

fn by_number_and_text(criterion: &mut Criterion) {
    let texts: Vec<String> = (0..KEYS).map(|id| format!("region-{id}")).collect();
    let text = |id: u64| &*texts[usize::try_from(id).expect("a small number")];
    let mut group = criterion.benchmark_group("hit by u64 and &str");
    measure(&mut group, "#[cached_lru]", |id| lru_named(id, text(id)));
    measure(&mut group, "cached #[cached]", |id| {
        cached_lru_of_cached_named(id, text(id))
    });
    measure(&mut group, "cached #[concurrent_cached]", |id| {
        concurrent_lru_of_cached_named(id, text(id))
    });
    group.finish();
}

criterion_group! {
    name = hit;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .nresamples(10_000);
    targets = by_number, by_number_and_text
}
criterion_main!(hit);
