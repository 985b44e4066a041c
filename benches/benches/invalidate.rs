//! What it costs to evict one key, one that is there and one that is not, and to guard a mutation.
//!
//! Caches hold 1,024 entries. Where keys are there, all are put back after each round of them, which is not timed; that
//! they are there before and gone afterwards is asserted. Peers have nothing that keeps loads out while the data
//! changes, so that the guards are compared with an eviction alone, and the attribute with the function without it.
//! No runtime takes part: what is asynchronous is polled once, by hand.

#![expect(clippy::unused_async, reason = "the bodies of the annotated functions")]

mod stores;

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cache_benches::once::{Once, poll_once};
use cache_benches::settings;
use cache_core::{Cache, cached_lru, invalidates};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

use stores::{Store, Visit};

const KEYS: u64 = 1024;
/// Room for all keys in every shard that they may fall into.
const BOUND: usize = 4096;

/// Times so many calls of `evict`, in rounds through all keys, before each of which `put` stores what it evicts.
fn in_rounds(calls: u64, mut put: impl FnMut(u64), mut check: impl FnMut(u64, bool), evict: impl Fn(u64)) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let keys = left.min(KEYS);
        (0..keys).for_each(&mut put);
        (0..keys).for_each(|key| check(key, true));
        let began = Instant::now();
        (0..keys).for_each(|key| evict(black_box(key)));
        took += began.elapsed();
        (0..keys).for_each(|key| check(key, false));
        left -= keys;
    }
    took
}

struct Present<'a>(BenchmarkGroup<'a, WallTime>);

impl Visit for Present<'_> {
    fn visit<S: Store>(&mut self) {
        self.0.bench_function(S::NAME, |bencher| {
            let store = S::new(BOUND);
            let put = |key| store.insert(key);
            let check = |key, there| {
                if key == 0 {
                    store.settle();
                }
                assert_eq!(store.holds(key), there, "of `{}`, key {key}", S::NAME);
            };
            bencher.iter_custom(|calls| in_rounds(calls, put, check, |key| store.remove(key)));
        });
    }
}

struct Absent<'a>(BenchmarkGroup<'a, WallTime>);

impl Visit for Absent<'_> {
    fn visit<S: Store>(&mut self) {
        let store = S::new(BOUND);
        (0..KEYS).for_each(|key| store.insert(key));
        let mut key = 0;
        self.0.bench_function(S::NAME, |bencher| {
            bencher.iter(|| {
                key = (key + 1) % KEYS;
                store.remove(black_box(KEYS + key));
            });
        });
        store.settle();
        for key in 0..KEYS {
            assert!(store.holds(key), "`{}` lost the key {key}", S::NAME);
            assert!(!store.holds(KEYS + key), "`{}` made up the key {key}", S::NAME);
        }
    }
}

#[cached_lru(max_size = BOUND)]
async fn value(id: u64) -> u64 {
    id
}

#[invalidates(value)]
async fn change(id: u64) -> u64 {
    id
}

async fn change_unguarded(id: u64) -> u64 {
    id
}

fn guards(criterion: &mut Criterion) {
    let cache = Cache::<u64, u64>::builder().max_size(BOUND).build();
    let put = |key| poll_once(cache.insert(key, key));
    let check = |key, there| assert_eq!(cache.peek(&key).is_some(), there, "key {key}");
    let guard = |key| {
        poll_once(async {
            let guard = cache.begin_mutation(&key).await;
            guard.finish().await;
        });
    };
    let put_value = |key| poll_once(value::insert(key, key));
    let check_value = |key, there| assert_eq!(value::peek(key).is_some(), there, "key {key}");

    let mut group = criterion.benchmark_group("mutation of a key that is there");
    group.bench_function("Cache::invalidate", |bencher| {
        bencher.iter_custom(|calls| {
            in_rounds(calls, put, check, |key| {
                black_box(poll_once(cache.invalidate(&key)));
            })
        });
    });
    group.bench_function("begin_mutation, finish", |bencher| {
        bencher.iter_custom(|calls| in_rounds(calls, put, check, guard));
    });
    group.bench_function("#[invalidates]", |bencher| {
        bencher.iter_custom(|calls| {
            in_rounds(calls, put_value, check_value, |key| {
                black_box(poll_once(change(key)));
            })
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("mutation of a key that is not there");
    let key = Cell::new(0);
    let next = || {
        key.set((key.get() + 1) % KEYS);
        black_box(key.get())
    };
    group.bench_function("Cache::invalidate", |bencher| {
        bencher.iter(|| poll_once(cache.invalidate(&next())));
    });
    group.bench_function("begin_mutation, finish", |bencher| bencher.iter(|| guard(next())));
    group.bench_function("#[invalidates]", |bencher| {
        bencher.to_async(Once).iter(|| change(next()));
    });
    group.bench_function("the same function without it", |bencher| {
        bencher.to_async(Once).iter(|| change_unguarded(next()));
    });
    group.finish();
}

fn present(criterion: &mut Criterion) {
    stores::all(&mut Present(
        criterion.benchmark_group("eviction of a key that is there"),
    ));
}

fn absent(criterion: &mut Criterion) {
    stores::all(&mut Absent(
        criterion.benchmark_group("eviction of a key that is not there"),
    ));
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = present, absent, guards
}
criterion_main!(benches);
