//! What it costs when 64 tasks ask for one cold key at once, and how often it is loaded.
//!
//! A tokio runtime with two threads runs them. The load gives way once, as one does that waits for a database. Each
//! crowd asks for a new key. How many loads a crowd takes is counted; where callers share them it has to be one.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_benches::settings;
use cache_benches::table::Table;
use cache_core::{Cache, cached_lru, cached_ttl};
use cached::macros::{cached, concurrent_cached};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use moka::policy::EvictionPolicy;
use tokio::runtime::{Builder, Runtime};

/// Tasks that ask for the same key.
const CALLERS: usize = 64;
const BOUND: usize = 1024;

/// How often anything was loaded.
static LOADS: AtomicU64 = AtomicU64::new(0);

async fn load(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    tokio::task::yield_now().await;
    id + 1
}

#[cached_lru(max_size = BOUND)]
async fn lru(id: u64) -> u64 {
    load(id).await
}

#[cached_ttl(max_size = BOUND, ttl = "1h")]
async fn ttl(id: u64) -> u64 {
    load(id).await
}

#[cached(max_size = 1024)]
async fn cached_lru_of_cached(id: u64) -> u64 {
    load(id).await
}

#[cached(max_size = 1024, sync_writes = "by_key")]
async fn cached_shared_of_cached(id: u64) -> u64 {
    load(id).await
}

#[concurrent_cached(max_size = 1024)]
async fn concurrent_lru_of_cached(id: u64) -> u64 {
    load(id).await
}

struct Crowds<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    runtime: Runtime,
    loads: Table,
}

impl Crowds<'_> {
    /// `promise` is how many loads a crowd must take, if that is certain.
    fn measure<F>(&mut self, name: &str, promise: Option<u64>, ask: impl Fn(u64) -> F)
    where
        F: Future<Output = u64> + Send + 'static,
    {
        let crowds = Cell::new(0);
        let before = LOADS.load(Ordering::Relaxed);
        self.group.bench_function(name, |bencher| {
            bencher.to_async(&self.runtime).iter(|| {
                crowds.set(crowds.get() + 1);
                let id = crowds.get();
                let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(ask(id))).collect();
                async move {
                    for caller in callers {
                        assert_eq!(caller.await.expect("no call panics"), id + 1);
                    }
                }
            });
        });
        if crowds.get() == 0 {
            return; // Filtered out.
        }
        let loads = LOADS.load(Ordering::Relaxed) - before;
        if let Some(promise) = promise {
            assert_eq!(
                loads,
                promise * crowds.get(),
                "`{name}` did not load {promise} times for each crowd"
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "no benchmark gets that far")]
        self.loads.push(name, [Some(loads as f64 / crowds.get() as f64)]);
    }
}

fn measure(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut crowds = Crowds {
        group: criterion.benchmark_group("64 callers of one cold key"),
        runtime: Builder::new_multi_thread().worker_threads(2).build()?,
        loads: Table::new(&[("loads", 2)]),
    };
    crowds.measure("#[cached_lru]", Some(1), lru);
    crowds.measure("#[cached_ttl]", Some(1), ttl);
    let cache = Cache::<u64, u64>::builder().max_size(BOUND).build();
    crowds.measure("Cache::get_or_load", Some(1), |id| {
        let cache = cache.clone();
        async move { cache.get_or_load(id, || load(id)).await }
    });

    crowds.measure("cached #[cached]", None, cached_lru_of_cached);
    crowds.measure("cached #[cached], shared loads", Some(1), cached_shared_of_cached);
    crowds.measure("cached #[concurrent_cached]", None, concurrent_lru_of_cached);

    // Its TinyLFU may refuse to keep a new key, so that a late caller would load again.
    let cache = moka::future::Cache::<u64, u64>::builder()
        .max_capacity(BOUND as u64)
        .eviction_policy(EvictionPolicy::lru())
        .build();
    crowds.measure("moka future get_with", Some(1), |id| {
        let cache = cache.clone();
        async move { cache.get_with(id, load(id)).await }
    });

    let cache = Arc::new(quick_cache::sync::Cache::<u64, u64>::new(BOUND));
    crowds.measure("quick_cache get_or_insert_async", Some(1), |id| {
        let cache = Arc::clone(&cache);
        async move {
            let value = cache.get_or_insert_async(&id, async { Ok::<_, Infallible>(load(id).await) });
            value.await.expect("it cannot fail")
        }
    });

    // It runs loads on the runtime that it is built in. A caller may come between the end of a load and its entry.
    let cache = {
        let _inside = crowds.runtime.enter();
        let cache = fibre_cache::CacheBuilder::default()
            .capacity(BOUND as u64)
            .async_loader(|id: u64| async move { (load(id).await, 1) })
            .build_async()?;
        Arc::new(cache)
    };
    crowds.measure("fibre_cache fetch_with", None, |id| {
        let cache = Arc::clone(&cache);
        async move { *cache.fetch_with(&id).await }
    });

    // What the tasks themselves cost.
    crowds.measure("64 tasks that ask nobody", Some(0), |id| async move {
        tokio::task::yield_now().await;
        id + 1
    });
    crowds.group.finish();
    crowds.loads.save("loads of a crowd")
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = settings::criterion().configure_from_args();
    measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
