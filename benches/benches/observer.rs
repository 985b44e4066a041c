//! What observers cost whoever changes something: an insert, or a miss with an immediate load, into a full cache.
//!
//! Caches are bounded at 1,024 entries; each call has a new key and evicts one, so that there are two events to tell of. The
//! observers count what they are told and do nothing else; that they are told of every change once, and that every call
//! evicted, is asserted. Where a stream of events is not read, that it kept the latest and lost the rest is. No runtime
//! takes part: what is asynchronous is polled once, by hand.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_benches::once::{Once, poll_once};
use cache_benches::settings;
use cache_core::Cache;
use cache_core::observer::{self, AnyEvent, Event, Events, Missed, ObserverId};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const BOUND: u64 = 1024;
/// Events that a stream keeps unless told otherwise.
const KEPT: u64 = 1024;

/// Who is told of what happens to a cache.
#[derive(Clone, Copy)]
enum Audience {
    Nobody,
    /// So many observers of the cache.
    Observers(usize),
    /// One of all caches of the process.
    Everywhere,
    /// A stream that nobody reads.
    Stream,
}

const ALL: [(&str, Audience); 5] = [
    ("no observer", Audience::Nobody),
    ("one observer", Audience::Observers(1)),
    ("four observers", Audience::Observers(4)),
    ("one observer of all caches", Audience::Everywhere),
    ("events(), not read", Audience::Stream),
];

/// Those who are told, and what they were told.
struct Told<'c> {
    cache: &'c Cache<u64, u64>,
    of_cache: Vec<(ObserverId, Arc<AtomicU64>)>,
    everywhere: Option<(ObserverId, Arc<AtomicU64>)>,
    stream: Option<Events<u64, u64>>,
}

impl<'c> Told<'c> {
    fn new(cache: &'c Cache<u64, u64>, audience: Audience) -> Self {
        let mut told = Self {
            cache,
            of_cache: Vec::new(),
            everywhere: None,
            stream: None,
        };
        let counter = || {
            let count = Arc::new(AtomicU64::new(0));
            (Arc::clone(&count), count)
        };
        match audience {
            Audience::Nobody => {}
            Audience::Observers(observers) => {
                for _ in 0..observers {
                    let (count, counted) = counter();
                    let id = cache.add_observer(move |event: &Event<u64, u64>| {
                        black_box(event);
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                    told.of_cache.push((id, counted));
                }
            }
            Audience::Everywhere => {
                let (count, counted) = counter();
                let id = observer::add_observer(move |event: &AnyEvent| {
                    black_box(event);
                    count.fetch_add(1, Ordering::Relaxed);
                });
                told.everywhere = Some((id, counted));
            }
            Audience::Stream => told.stream = Some(cache.events()),
        }
        told
    }

    /// Asserts that they were told of so many changes, each once, and ends it.
    fn check(self, name: &str, changes: u64) {
        for (id, counted) in self.of_cache {
            assert!(self.cache.remove_observer(id), "{name}");
            assert_eq!(counted.load(Ordering::Relaxed), changes, "{name}");
        }
        if let Some((id, counted)) = self.everywhere {
            assert!(observer::remove_observer(id), "{name}");
            assert_eq!(counted.load(Ordering::Relaxed), changes, "{name}");
        }
        if let Some(mut stream) = self.stream {
            let first = poll_once(stream.recv()).expect("the cache is there");
            assert_eq!(first.err(), Some(Missed(changes - KEPT)), "{name}");
        }
    }
}

fn measure<F: Future<Output = ()>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (name, audience): (&str, Audience),
    call: impl Fn(Cache<u64, u64>, u64) -> F,
) {
    let cache = Cache::builder()
        .max_size(usize::try_from(BOUND).expect("it is small"))
        .build();
    let told = Told::new(&cache, audience);
    let calls = Cell::new(0);
    let call = || {
        calls.set(calls.get() + 1);
        call(cache.clone(), black_box(calls.get()))
    };
    for _ in 0..4 * BOUND {
        poll_once(call());
    }
    group.bench_function(name, |bencher| bencher.to_async(Once).iter(call));
    let (calls, evictions) = (calls.get(), cache.stats().evictions);
    assert_eq!(cache.stats().insertions, calls, "`{name}` did not store for each call");
    assert_eq!(evictions, calls - BOUND, "`{name}` did not evict for each call");
    told.check(name, calls + evictions);
}

fn insert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert with observers");
    for audience in ALL {
        measure(
            &mut group,
            audience,
            |cache, id| async move { cache.insert(id, id).await },
        );
    }
    group.finish();
}

fn miss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("miss with observers");
    for audience in ALL {
        measure(&mut group, audience, |cache, id| async move {
            black_box(cache.get_or_load(id, || async move { id }).await);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = insert, miss
}
criterion_main!(benches);
