//! Many keys in one pass: `get_many`, `insert_many`, `invalidate_many`. Each does for each key what its like for one key does.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on fails")]

mod support;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::observer::{Cause, Reason};
use cache_core::{Cache, Clock, Policy, invalidate_tag};
use futures::FutureExt as _;
use proptest::prelude::*;
use support::{Source, soon};

fn cache() -> Cache<u64, u64> {
    Cache::builder().name("bulk").unbounded().build()
}

#[tokio::test]
async fn values_come_in_the_order_of_their_keys() {
    let cache = cache();
    cache.insert_many([(1, 10), (2, 20), (3, 30)]).await;
    assert_eq!(
        cache.get_many(&[3, 9, 1, 3, 2]),
        [Some(30), None, Some(10), Some(30), Some(20)]
    );
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.insertions), (4, 1, 3));
}

#[tokio::test]
async fn nothing_is_done_for_no_keys() {
    let cache = cache();
    cache.insert(1, 1).await;
    cache.insert_many([]).await;
    let none: [u64; 0] = [];
    assert_eq!(cache.get_many(&none), []);
    assert_eq!(cache.invalidate_many(&none).await, 0);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.insertions, stats.len), (0, 0, 1, 1));
}

#[tokio::test]
async fn keys_may_be_borrowed() {
    let cache = Cache::<String, u64>::builder().build();
    cache.insert_many([("a".to_owned(), 1), ("b".to_owned(), 2)]).await;
    assert_eq!(cache.get_many(["b", "c", "a"]), [Some(2), None, Some(1)]);
    let owned = ["b".to_owned(), "c".to_owned()];
    assert_eq!(cache.invalidate_many(&owned).await, 1);
    assert_eq!(
        cache
            .invalidate_many(owned.iter().map(String::as_str).chain(["a"]))
            .await,
        1
    );
}

#[tokio::test]
async fn of_two_values_for_one_key_the_later_stays() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let cache = Cache::<u64, u64>::builder().policy(policy).build();
        cache.insert_many([(1, 10), (2, 20), (1, 11), (1, 12)]).await;
        assert_eq!(cache.get_many(&[1, 2]), [Some(12), Some(20)], "{policy:?}");
        assert_eq!(cache.len(), 2);
    }
}

/// Whatever the hashes of the keys are.
#[tokio::test]
async fn what_is_inserted_last_stays_when_there_is_no_room_for_all() {
    let cache = Cache::<u64, u64>::builder().max_size(50).build();
    cache.insert_many((0..700).map(|n| (n, n))).await;
    let kept: Vec<_> = (0..700).filter(|n| cache.peek(n).is_some()).collect();
    assert_eq!(kept, (650..700).collect::<Vec<_>>());
    assert_eq!(cache.stats().evictions, 650);
}

#[tokio::test]
async fn what_is_found_counts_as_used() {
    let cache = Cache::<u64, u64>::builder().max_size(10).build();
    cache.insert_many((0..10).map(|n| (n, n))).await;
    cache.get_many(&[0, 1, 2]);
    cache.insert_many((10..17).map(|n| (n, n))).await;
    assert_eq!(cache.get_many(&[0, 1, 2]), [Some(0), Some(1), Some(2)]);
}

#[tokio::test]
async fn what_has_expired_is_not_found_and_not_counted_as_evicted() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .ttl(Duration::from_secs(10))
        .clock(clock.clone())
        .build();
    cache.insert_many((0..100).map(|n| (n, n))).await;
    clock.advance(Duration::from_secs(5));
    cache.insert_many((50..120).map(|n| (n, n))).await;
    clock.advance(Duration::from_secs(5));
    let found = cache.get_many(&[0, 49, 50, 119]);
    assert_eq!(found, [None, None, Some(50), Some(119)]);
    let keys: Vec<_> = (0..120).collect();
    assert_eq!(cache.invalidate_many(&keys).await, 70);
    let stats = cache.stats();
    assert_eq!((stats.expirations, stats.invalidations, stats.len), (50, 70, 0));
}

#[tokio::test]
async fn inserting_makes_room_of_what_has_expired() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .max_size(200)
        .ttl(Duration::from_secs(10))
        .clock(clock.clone())
        .build();
    cache.insert_many((0..200).map(|n| (n, n))).await;
    clock.advance(Duration::from_secs(10));
    cache.insert_many((200..400).map(|n| (n, n))).await;
    let stats = cache.stats();
    assert_eq!((stats.expirations, stats.evictions, stats.len), (200, 0, 200));
}

#[tokio::test]
async fn a_key_evicted_twice_counts_once() {
    let cache = cache();
    cache.insert_many([(1, 1), (2, 2), (3, 3)]).await;
    assert_eq!(cache.invalidate_many(&[1, 1, 4, 2, 1]).await, 2);
    assert_eq!(cache.get_many(&[1, 2, 3]), [None, None, Some(3)]);
    assert_eq!(cache.stats().invalidations, 2);
}

/// P1 for several keys at once: each has a load in flight. (`coherence.rs` has it for one key in every combination.)
#[tokio::test(flavor = "multi_thread")]
async fn loads_in_flight_are_detached_for_each_key() {
    let (cache, source) = (cache(), Arc::new(Source::new(1)));
    let keys: Vec<u64> = (0..300).collect();
    let load = |key: u64| {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tokio::spawn(async move { cache.get_or_load(key, || source.read()).await })
    };
    let mut reads = Vec::new();
    let mut old = Vec::new();
    for &key in &keys {
        old.push(load(key));
        reads.push(source.started().await);
    }
    source.set(2);
    assert_eq!(soon(cache.invalidate_many(&keys)).await, 0);
    let new = load(7);
    let read = source.started().await;
    reads.into_iter().for_each(support::Read::go_on);
    for load in old {
        assert_eq!(soon(load).await.unwrap(), 1);
    }
    assert!(cache.is_empty(), "an older load was kept");
    read.go_on();
    assert_eq!((soon(new).await.unwrap(), cache.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_in_flight_does_not_replace_an_inserted_value() {
    let (cache, source) = (cache(), Arc::new(Source::new(1)));
    let old = tokio::spawn({
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        async move { cache.get_or_load(7, || source.read()).await }
    });
    let read = source.started().await;
    cache.insert_many((0..20).map(|n| (n, 100 + n))).await;
    read.go_on();
    assert_eq!(soon(old).await.unwrap(), 1);
    assert_eq!(cache.peek(&7), Some(107));
}

#[tokio::test]
async fn nothing_is_stored_for_keys_that_are_being_changed() {
    let cache = cache();
    let guard = cache.begin_mutation(&2).await;
    cache.insert_many((0..5).map(|n| (n, n))).await;
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(1), None, Some(3)]);
    guard.finish().await;

    let all = cache.begin_mutation_all().await;
    cache.insert_many((0..5).map(|n| (n, n))).await;
    assert!(cache.is_empty());
    assert_eq!(cache.invalidate_many(&[1, 2]).await, 0);
    drop(all);

    let tagged = Cache::<u64, u64>::builder()
        .tags(|key| [format!("bulk-fenced:{}", key % 2)])
        .build();
    let tag = cache_core::begin_tag_mutation("bulk-fenced:1").await;
    tagged.insert_many((0..4).map(|n| (n, n))).await;
    assert_eq!(tagged.get_many(&[0, 1, 2, 3]), [Some(0), None, Some(2), None]);
    drop(tag);
}

#[tokio::test]
async fn what_comes_in_has_its_tags() {
    let cache = Cache::<u64, u64>::builder()
        .tags(|key| [format!("bulk-key:{}", key % 2)])
        .tag_fn(|value| [format!("bulk-value:{}", value % 3)])
        .build();
    cache.insert_many((0..12).map(|n| (n, n))).await;
    assert_eq!(invalidate_tag("bulk-key:0").await, 6);
    assert_eq!(invalidate_tag("bulk-value:0").await, 2);
    assert_eq!(cache.len(), 4);
}

#[tokio::test]
async fn a_hundred_thousand_keys_let_others_have_their_turn() {
    const MANY: u64 = 100_000;
    let cache = cache();
    let (turns, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let other = tokio::spawn({
        let (turns, is_over) = (Arc::clone(&turns), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::SeqCst) {
                turns.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        }
    });
    let keys: Vec<u64> = (0..MANY).collect();
    soon(cache.insert_many(keys.iter().map(|n| (*n, n * 2)))).await;
    assert!(turns.swap(0, Ordering::SeqCst) > 100);
    let found = cache.get_many(&keys);
    assert!(found.iter().zip(&keys).all(|(value, key)| *value == Some(key * 2)));
    assert_eq!(cache.stats().hits, MANY);
    assert_eq!(soon(cache.invalidate_many(&keys)).await as u64, MANY);
    assert!(turns.load(Ordering::SeqCst) > 100);
    is_over.store(true, Ordering::SeqCst);
    other.await.unwrap();
    assert!(cache.is_empty());
}

#[tokio::test]
async fn an_eviction_that_is_cancelled_evicts_all_the_same() {
    let cache = cache();
    cache.insert_many((0..1_000).map(|n| (n, n))).await;
    let keys: Vec<u64> = (0..1_000).collect();
    drop(cache.invalidate_many(&keys));
    assert_eq!(cache.len(), 1_000, "nobody has polled it");
    assert_eq!(
        cache.invalidate_many(&keys).now_or_never(),
        None,
        "it gives way half way"
    );
    assert!(cache.is_empty());
}

#[tokio::test]
async fn an_insertion_that_is_cancelled_leaves_what_came_first() {
    let cache = cache();
    assert!(cache.insert_many((0..1_000).map(|n| (n, n))).now_or_never().is_none());
    let len = cache.len() as u64;
    assert!(0 < len && len < 1_000);
    assert!((0..len).all(|n| cache.peek(&n) == Some(n)));
}

#[tokio::test]
async fn observers_hear_of_each_change_in_order() {
    let cache = Cache::<u64, u64>::builder().max_size(2).build();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let _subscription = cache.observe({
        let seen = Arc::clone(&seen);
        move |event| seen.lock().unwrap().push((event.cause(), *event.key()))
    });
    cache.insert_many([(1, 1), (2, 2), (1, 3), (4, 4)]).await;
    cache.invalidate_many(&[4, 1]).await;
    let seen = seen.lock().unwrap();
    assert_eq!(
        *seen,
        [
            (Cause::Inserted, 1),
            (Cause::Inserted, 2),
            (Cause::Replaced, 1),
            (Cause::Inserted, 4),
            (Cause::Evicted, 2),
            (Cause::Invalidated(Reason::Key), 4),
            (Cause::Invalidated(Reason::Key), 1),
        ]
    );
}

/// Its clone and its drop panic when they are told to.
struct Foreign {
    id: u64,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    clones: AtomicBool,
    drops: AtomicBool,
    dropped: AtomicU64,
}

impl Clone for Foreign {
    fn clone(&self) -> Self {
        assert!(!self.told.clones.load(Ordering::SeqCst), "told to panic");
        Self {
            id: self.id,
            told: Arc::clone(&self.told),
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.told.dropped.fetch_add(1, Ordering::SeqCst);
        assert!(!self.told.drops.load(Ordering::SeqCst), "told to panic");
    }
}

#[tokio::test]
async fn a_clone_that_panics_harms_only_who_looks() {
    let told = Arc::new(Told::default());
    let cache = Cache::<u64, Foreign>::builder().build();
    let foreign = |id| Foreign {
        id,
        told: Arc::clone(&told),
    };
    cache.insert_many((0..5).map(|id| (id, foreign(id)))).await;
    told.clones.store(true, Ordering::SeqCst);
    let looked = std::panic::catch_unwind(AssertUnwindSafe(|| cache.get_many(&[0, 1, 2])));
    assert!(looked.is_err());
    told.clones.store(false, Ordering::SeqCst);
    let found = cache.get_many(&[4, 3]);
    assert!(found.into_iter().flatten().map(|value| value.id).eq([4, 3]));
}

/// Two drops that panic one after the other would end the process if they met.
#[tokio::test]
async fn drops_that_panic_stop_nothing() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let told = Arc::new(Told::default());
        let cache = Cache::<u64, Foreign>::builder().policy(policy).build();
        let foreign = |id| Foreign {
            id,
            told: Arc::clone(&told),
        };
        cache.insert_many((0..10).map(|id| (id, foreign(id)))).await;
        let _guard = cache.begin_mutation(&20).await;
        told.drops.store(true, Ordering::SeqCst);
        // Some replace others, and two are refused and dropped at once.
        let entries = [1, 2, 20, 3, 20, 4].map(|id| (id, foreign(id)));
        cache.insert_many(entries).await;
        assert_eq!(cache.invalidate_many(&[1, 2, 5, 6]).await, 4);
        assert_eq!(cache.len(), 6);
        // Four were replaced, two refused, and four evicted.
        support::until(|| told.dropped.load(Ordering::SeqCst) == 10).await;
        told.drops.store(false, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_weigher_that_panics_harms_only_its_own_caller() {
    let cache = Cache::<u64, u64>::builder()
        .max_weight(1_000, |_, value| {
            assert_ne!(*value, 3, "told to panic");
            1
        })
        .build();
    let insert = cache.insert_many((0..5).map(|n| (n, n)));
    assert!(AssertUnwindSafe(insert).catch_unwind().await.is_err());
    cache.insert_many((10..15).map(|n| (n, n))).await;
    assert!((10..15).all(|n| cache.peek(&n) == Some(n)));
}

/// A step of what happens to a cache, for several keys.
#[derive(Clone, Debug)]
enum Bulk {
    Get(Vec<u64>),
    Insert(Vec<(u64, u64)>),
    Invalidate(Vec<u64>),
    Later(u64),
}

fn steps() -> impl Strategy<Value = Vec<Bulk>> {
    let keys = || prop::collection::vec(0..40_u64, 0..60);
    let step = prop_oneof![
        keys().prop_map(Bulk::Get),
        prop::collection::vec((0..40_u64, any::<u64>()), 0..60).prop_map(Bulk::Insert),
        keys().prop_map(Bulk::Invalidate),
        (1..8_u64).prop_map(Bulk::Later),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    /// With bounds and with time, to the last number.
    #[test]
    fn many_at_once_do_what_one_after_the_other_do(steps in steps()) {
        let clock = Clock::manual();
        let make = || Cache::<u64, u64>::builder()
            .max_size(24)
            .ttl(Duration::from_secs(10))
            .clock(clock.clone())
            .build();
        let (bulk, one) = (make(), make());
        futures::executor::block_on(async {
            for step in steps {
                match step {
                    Bulk::Get(keys) => {
                        let each: Vec<_> = keys.iter().map(|key| one.get(key)).collect();
                        assert_eq!(bulk.get_many(&keys), each);
                    }
                    Bulk::Insert(entries) => {
                        for (key, value) in &entries {
                            one.insert(*key, *value).await;
                        }
                        bulk.insert_many(entries).await;
                    }
                    Bulk::Invalidate(keys) => {
                        let mut each = 0;
                        for key in &keys {
                            each += usize::from(one.invalidate(key).await);
                        }
                        assert_eq!(bulk.invalidate_many(&keys).await, each);
                    }
                    Bulk::Later(seconds) => clock.advance(Duration::from_secs(seconds)),
                }
                let all = |cache: &Cache<u64, u64>| -> HashMap<u64, u64> {
                    (0..40).filter_map(|key| Some((key, cache.peek(&key)?))).collect()
                };
                assert_eq!(all(&bulk), all(&one));
                assert_eq!(bulk.stats().to_string(), one.stats().to_string());
            }
        });
    }
}
