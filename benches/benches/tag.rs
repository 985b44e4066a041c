//! What a tag costs: a hit nothing, a miss something; and what it costs to invalidate one that a single entry carries.
//!
//! Caches are bounded at 1,024 entries, and differ in the tags that these carry; see `tagged`. That they carry them is
//! asserted in the end, by invalidating. Hits are of keys that are there, and that nothing is loaded meanwhile is asserted;
//! misses are of a new key each, which has to be loaded and evicts one, and both is counted. No runtime takes part: what is
//! asynchronous is polled by hand. Tags of many entries are the matter of `tag_invalidate`.

mod tagged;

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_benches::once::{Once, poll_once, poll_through};
use cache_benches::settings;
use cache_core::{begin_tag_mutation, cached_lru, invalidate_tag};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const BOUND: usize = 1024;
const KEYS: u64 = BOUND as u64;

/// How often anything was loaded.
static LOADS: AtomicU64 = AtomicU64::new(0);

fn load(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    id
}

#[cached_lru(max_size = BOUND)]
async fn untagged(id: u64) -> u64 {
    load(id)
}

#[cached_lru(max_size = BOUND, tags("called:{id}"))]
async fn labelled(id: u64) -> u64 {
    load(id)
}

const UNTAGGED: &str = "#[cached_lru]";
const TAGGED: &str = r#"#[cached_lru(tags("called:{id}"))]"#;

/// Asserts that an entry of the annotated function carries its tag, and makes both functions forget everything.
fn check_functions(id: u64) {
    poll_once(labelled::insert(id, id));
    assert_eq!(poll_through(invalidate_tag(format!("called:{id}"))), 1);
    assert_eq!(labelled::peek(id), None);
    poll_once(labelled::cache().clear());
    poll_once(untagged::cache().clear());
}

fn hits<F: Future<Output = u64>>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, ask: impl Fn(u64) -> F) {
    // Twice, so that nothing is done for the first time.
    for id in (0..KEYS).chain(0..KEYS) {
        poll_once(ask(id));
    }
    let id = Cell::new(0);
    let before = LOADS.load(Ordering::Relaxed);
    group.bench_function(name, |bencher| {
        bencher.to_async(Once).iter(|| {
            id.set((id.get() + 1) % KEYS);
            ask(black_box(id.get()))
        });
    });
    let loads = LOADS.load(Ordering::Relaxed) - before;
    assert_eq!(loads, 0, "`{name}` did not only hit");
}

fn hit(criterion: &mut Criterion) {
    // None is to find the memory in better order than the others do.
    for tagging in &tagged::ALL {
        let cache = tagging.cache(BOUND);
        (0..4 * KEYS).for_each(|id| poll_once(cache.insert(id, id)));
    }
    let mut group = criterion.benchmark_group("hit with tags");
    for tagging in &tagged::ALL {
        let cache = tagging.cache(BOUND);
        hits(&mut group, tagging.name, |id| {
            cache.get_or_load(id, move || async move { load(id) })
        });
        assert_eq!(cache.len(), BOUND);
        tagging.check(&cache, 0);
    }
    hits(&mut group, UNTAGGED, untagged);
    hits(&mut group, TAGGED, labelled);
    check_functions(0);
    group.finish();
}

/// Returns how often was asked; `evictions` tells how many the cache of `ask` had so far.
fn misses<F: Future<Output = u64>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    ask: impl Fn(u64) -> F,
    evictions: impl Fn() -> u64,
) -> u64 {
    let calls = Cell::new(0);
    let ask = || {
        calls.set(calls.get() + 1);
        ask(black_box(calls.get()))
    };
    let before = LOADS.load(Ordering::Relaxed);
    for _ in 0..4 * BOUND {
        poll_once(ask());
    }
    group.bench_function(name, |bencher| bencher.to_async(Once).iter(ask));
    let loads = LOADS.load(Ordering::Relaxed) - before;
    assert_eq!(loads, calls.get(), "`{name}` did not load once for each call");
    assert_eq!(evictions(), calls.get() - KEYS, "`{name}` did not evict for each call");
    calls.get()
}

fn miss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("miss with tags");
    for tagging in &tagged::ALL {
        let cache = tagging.cache(BOUND);
        let last = misses(
            &mut group,
            tagging.name,
            |id| cache.get_or_load(id, move || async move { load(id) }),
            || cache.stats().evictions,
        );
        assert_eq!(cache.len(), BOUND);
        tagging.check(&cache, last);
    }
    misses(&mut group, UNTAGGED, untagged, || untagged::cache().stats().evictions);
    let last = misses(&mut group, TAGGED, labelled, || labelled::cache().stats().evictions);
    check_functions(last);
    group.finish();
}

/// Times so many calls of `evict`, in rounds through all keys, before each of which `put` stores what it evicts. It says
/// how many that were.
fn in_rounds(calls: u64, put: impl Fn(u64), is_there: impl Fn(u64) -> bool, evict: impl Fn(u64) -> usize) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let keys = left.min(KEYS);
        (0..keys).for_each(&put);
        assert!((0..keys).all(&is_there), "not all was put back");
        let began = Instant::now();
        let evicted: usize = (0..keys).map(|key| evict(black_box(key))).sum();
        took += began.elapsed();
        assert_eq!(evicted as u64, keys, "not one at a time");
        assert!(!(0..keys).any(&is_there), "not all is gone");
        left -= keys;
    }
    took
}

fn invalidation(criterion: &mut Criterion) {
    let cache = tagged::ONE_OWN.cache(2 * BOUND);
    let tags: Vec<String> = (0..2 * KEYS).map(tagged::own).collect();
    let tag = |key: u64| &tags[usize::try_from(key).expect("it is small")];
    let put = |key| poll_once(cache.insert(key, key));
    let is_there = |key| cache.peek(&key).is_some();
    let evict = |key| usize::from(poll_once(cache.invalidate(&key)));
    let evict_tagged = |key| poll_once(invalidate_tag(tag(key)));
    let mutate = |key| {
        poll_once(async {
            let guard = begin_tag_mutation(tag(key)).await;
            guard.finish().await;
        });
        1 // That they are gone afterwards is asserted.
    };

    let mut group = criterion.benchmark_group("invalidation of a tag of one entry");
    group.bench_function("Cache::invalidate", |bencher| {
        bencher.iter_custom(|calls| in_rounds(calls, put, is_there, evict));
    });
    group.bench_function("invalidate_tag", |bencher| {
        bencher.iter_custom(|calls| in_rounds(calls, put, is_there, evict_tagged));
    });
    group.bench_function("begin_tag_mutation, finish", |bencher| {
        bencher.iter_custom(|calls| in_rounds(calls, put, is_there, mutate));
    });
    group.finish();

    (0..KEYS).for_each(put);
    let key = Cell::new(0);
    let nobodys = || {
        key.set((key.get() + 1) % KEYS);
        black_box(KEYS + key.get())
    };
    let mut group = criterion.benchmark_group("invalidation of a tag of no entry");
    group.bench_function("Cache::invalidate", |bencher| {
        bencher.iter(|| assert_eq!(evict(nobodys()), 0));
    });
    group.bench_function("invalidate_tag", |bencher| {
        bencher.iter(|| assert_eq!(evict_tagged(nobodys()), 0));
    });
    group.bench_function("begin_tag_mutation, finish", |bencher| {
        bencher.iter(|| mutate(nobodys()));
    });
    group.finish();
    assert!((0..KEYS).all(is_there), "there was an entry less in the end");
    assert_eq!(poll_through(invalidate_tag(tag(0))), 1, "the others carry tags");
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = hit, miss, invalidation
}
criterion_main!(benches);
