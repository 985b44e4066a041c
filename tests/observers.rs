//! Observers: one event for each change, to everybody who observed then, in the order of the changes of a key.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    clippy::unused_async,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::collections::HashMap;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::Duration;

use cache_core::observer::{self, AnyEvent, Cause, Event, Events, Missed, ObserverId, Reason, Subscription};
use cache_core::{Cache, Clock, Policy, Stats, cached_lru};
use futures::FutureExt as _;
use futures::executor::block_on;
use futures::stream::{Stream, StreamExt as _};
use proptest::prelude::*;
use support::{soon, until, wait_until};

const POLICIES: [Policy; 2] = [Policy::Lru, Policy::TinyLfu];

/// An event: key, cause, former value, new value.
type Told = (u64, Cause, Option<u64>, Option<u64>);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

impl Log {
    fn of(cache: &Cache<u64, u64>) -> Self {
        let log = Self::default();
        cache.add_observer(log.writer());
        log
    }

    fn writer(&self) -> impl Fn(&Event<u64, u64>) + Send + Sync + use<> {
        let log = self.clone();
        move |event| log.0.lock().unwrap().push(told(event))
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn told(event: &Event<u64, u64>) -> Told {
    let (old, new) = (event.old_value().copied(), event.value().copied());
    (*event.key(), event.cause(), old, new)
}

fn inserted(key: u64, value: u64) -> Told {
    (key, Cause::Inserted, None, Some(value))
}

fn replaced(key: u64, old: u64, new: u64) -> Told {
    (key, Cause::Replaced, Some(old), Some(new))
}

fn gone(key: u64, cause: Cause, value: u64) -> Told {
    (key, cause, Some(value), None)
}

fn failed(key: u64) -> Told {
    (key, Cause::LoadFailed, None, None)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cache in which time stands still.
fn timed(policy: Policy, max_size: usize, ttl: Duration) -> (Cache<u64, u64>, Clock) {
    let clock = Clock::manual();
    let builder = Cache::builder().policy(policy).max_size(max_size);
    (builder.ttl(ttl).clock(clock.clone()).build(), clock)
}

fn plain(policy: Policy, max_size: usize) -> Cache<u64, u64> {
    Cache::builder().policy(policy).max_size(max_size).build()
}

#[tokio::test]
async fn what_comes_and_what_an_invalidation_removes() {
    for policy in POLICIES {
        let cache = plain(policy, 100);
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        cache.get_or_load(2, || async { 20 }).await;
        cache.insert(1, 11).await;
        cache.refresh(2, || async { 21 }).await;
        assert_eq!(
            log.take(),
            [
                inserted(1, 10),
                inserted(2, 20),
                replaced(1, 10, 11),
                replaced(2, 20, 21)
            ]
        );
        cache.invalidate(&1).await;
        cache.insert_with_ttl(2, 22, Duration::ZERO).await;
        let by_key = Cause::Invalidated(Reason::Key);
        assert_eq!(log.take(), [gone(1, by_key, 11), gone(2, by_key, 21)]);
        // What finds nothing changes nothing.
        cache.invalidate(&1).await;
        cache.clear().await;
        cache.begin_mutation(&1).await.finish().await;
        cache.begin_mutation_all().await.finish().await;
        cache.get(&1);
        assert_eq!(log.take(), []);
    }
}

#[tokio::test]
async fn what_a_mutation_removes() {
    let by_mutation = Cause::Invalidated(Reason::Mutation);
    for policy in POLICIES {
        let cache = plain(policy, 100);
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        cache.insert(2, 20).await;
        let guard = cache.begin_mutation(&1).await;
        cache.insert(1, 11).await;
        cache.get_or_load(1, || async { 12 }).await;
        guard.finish().await;
        let guard = cache.begin_mutation_all().await;
        cache.insert(3, 30).await;
        drop(guard);
        assert_eq!(
            log.take(),
            [
                inserted(1, 10),
                inserted(2, 20),
                gone(1, by_mutation, 10),
                gone(2, by_mutation, 20)
            ],
            "while it is under way nothing is kept"
        );
    }
}

#[tokio::test]
async fn a_clear_tells_of_each_entry() {
    for policy in POLICIES {
        for unbounded in [false, true] {
            let builder = Cache::<u64, u64>::builder().policy(policy);
            let builder = if unbounded {
                builder.unbounded()
            } else {
                builder.max_size(1_000)
            };
            let cache = builder.build();
            for round in 0..3 {
                for key in 0..500 {
                    cache.insert(key, round).await;
                }
                cache.invalidate(&7).await;
                let log = Log::default();
                let _subscription = cache.observe(log.writer());
                cache.clear().await;
                let mut told = log.take();
                told.sort_unstable_by_key(|told| told.0);
                let all = (0..500).filter(|key| *key != 7);
                let all: Vec<_> = all
                    .map(|key| gone(key, Cause::Invalidated(Reason::Clear), round))
                    .collect();
                assert_eq!(told, all);
            }
            assert_eq!(cache.stats().invalidations, 3 * 500);
        }
    }
}

#[tokio::test]
async fn what_time_ends() {
    for policy in POLICIES {
        let (cache, clock) = timed(policy, 1_000, seconds(1));
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        cache.insert(2, 20).await;
        clock.advance(seconds(1));
        assert_eq!(cache.len(), 0);
        assert_eq!(
            log.take(),
            [
                inserted(1, 10),
                inserted(2, 20),
                gone(1, Cause::Expired, 10),
                gone(2, Cause::Expired, 20)
            ]
        );
        // More than one insertion reclaims.
        for key in 0..200 {
            cache.insert(key, key).await;
        }
        log.take();
        clock.advance(seconds(1));
        cache.invalidate(&199).await;
        assert_eq!(
            log.take(),
            [gone(199, Cause::Expired, 199)],
            "it found only what had expired"
        );
        cache.insert(198, 1).await;
        let told = log.take();
        assert_eq!(
            told[told.len() - 2..],
            [gone(198, Cause::Expired, 198), inserted(198, 1)]
        );
        let guard = cache.begin_mutation(&197).await;
        assert_eq!(log.take(), [gone(197, Cause::Expired, 197)]);
        drop(guard);
        let guard = cache.begin_mutation_all().await;
        let told = log.take();
        assert!(
            told[..told.len() - 1].iter().all(|told| told.1 == Cause::Expired),
            "{told:?}"
        );
        assert_eq!(told.last(), Some(&gone(198, Cause::Invalidated(Reason::Mutation), 1)));
        drop(guard);
        assert_eq!(cache.stats().expirations, 2 + 199 + 1);
    }
}

/// With a clock that runs, and nobody who asks.
#[tokio::test(flavor = "multi_thread")]
async fn what_time_ends_without_being_asked_for() {
    let cache = Cache::builder().ttl(Duration::from_millis(1)).build();
    let mut events = cache.events();
    cache.insert(1_u64, 10_u64).await;
    let first = soon(events.recv()).await.unwrap().unwrap();
    assert_eq!(told(&first), inserted(1, 10));
    let second = soon(events.recv()).await.unwrap().unwrap();
    assert_eq!(told(&second), gone(1, Cause::Expired, 10));
}

#[tokio::test]
async fn what_there_is_no_room_for() {
    let cache = plain(Policy::Lru, 2);
    let log = Log::of(&cache);
    for key in 0..3 {
        cache.insert(key, key).await;
    }
    assert_eq!(
        log.take(),
        [
            inserted(0, 0),
            inserted(1, 1),
            inserted(2, 2),
            gone(0, Cause::Evicted, 0)
        ]
    );
    // The newcomer may be the one to go.
    let cache = plain(Policy::TinyLfu, 2);
    let log = Log::of(&cache);
    for key in 0..20 {
        cache.insert(key, key).await;
    }
    let told = log.take();
    let evicted = told.iter().filter(|told| told.1 == Cause::Evicted).count();
    assert_eq!((evicted, told.len()), (18, 38));
    check_history(&told);
}

#[tokio::test]
async fn a_newer_value_that_is_not_kept() {
    for policy in POLICIES {
        let builder = Cache::builder().policy(policy);
        let builder = builder.max_weight(10, |_: &u64, value: &u64| u32::try_from(*value).unwrap());
        let cache = builder.build();
        let log = Log::of(&cache);
        cache.insert(1, 5).await;
        cache.insert(1, 11).await;
        cache.insert(2, 11).await;
        cache.insert(2, 1).await;
        cache.refresh(2, || async { 12 }).await;
        assert_eq!(
            log.take(),
            [
                inserted(1, 5),
                (1, Cause::Replaced, Some(5), None),
                inserted(2, 1),
                (2, Cause::Replaced, Some(1), None)
            ]
        );
        assert_eq!((cache.stats().insertions, cache.len()), (2, 0));
    }
    // Where nothing is kept, nothing changes.
    let cache = plain(Policy::Lru, 0);
    let log = Log::of(&cache);
    cache.insert(1, 1).await;
    cache.get_or_load(1, || async { 1 }).await;
    assert_eq!(log.take(), []);
}

static KEEPS: AtomicBool = AtomicBool::new(true);

#[cached_lru(cache_if = |_: &u64| KEEPS.load(Ordering::SeqCst))]
async fn kept_if_told(key: u64) -> u64 {
    key + 1
}

#[tokio::test]
async fn a_reload_whose_value_is_not_to_be_kept() {
    let log = Log::of(kept_if_told::cache());
    kept_if_told(1).await;
    KEEPS.store(false, Ordering::SeqCst);
    kept_if_told::refresh(1).await;
    kept_if_told(5).await;
    assert_eq!(log.take(), [inserted(1, 2), (1, Cause::Replaced, Some(2), None)]);
}

#[tokio::test]
async fn loads_that_fail() {
    let cache = plain(Policy::Lru, 10);
    let log = Log::of(&cache);
    let _ = cache.try_get_or_load(1, || async { Err("down") }).await;
    let _ = cache
        .try_get_or_load_unshared(2, || async { Err(std::io::Error::other("down")) })
        .await;
    let panicking = AssertUnwindSafe(cache.get_or_load(3, || async { panic!("told to") }));
    assert!(panicking.catch_unwind().await.is_err());
    let mut dropped = Box::pin(cache.get_or_load(4, pending));
    assert!((&mut dropped).now_or_never().is_none());
    drop(dropped);
    assert_eq!(log.take(), [failed(1), failed(2), failed(3), failed(4)]);
    cache.insert(5, 5).await;
    let _ = cache.try_refresh(5, || async { Err("down") }).await;
    assert_eq!(log.take(), [inserted(5, 5), failed(5)], "the former value stays");
    assert_eq!((cache.stats().load_failures, cache.get(&5)), (5, Some(5)));
}

/// Where errors cannot be copied, each caller runs its own load, and only one of them is registered.
#[tokio::test]
async fn loads_that_fail_each_for_itself() {
    let cache = plain(Policy::Lru, 10);
    let log = Log::of(&cache);
    let fail = || async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("down"))
    };
    let load = || cache.try_get_or_load_unshared(1, fail);
    let (a, b, c) = futures::join!(load(), load(), load());
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(log.take(), [failed(1); 3]);
    assert_eq!(cache.stats().load_failures, 3);
}

/// Who waits for a load that fails and loads in its turn comes after it.
#[tokio::test]
async fn a_failure_comes_before_what_the_next_one_loads() {
    let cache = plain(Policy::Lru, 10);
    let log = Log::of(&cache);
    let mut first = Box::pin(cache.get_or_load(1, pending));
    let mut second = Box::pin(cache.get_or_load(1, || async { 10 }));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, 10);
    assert_eq!(log.take(), [failed(1), inserted(1, 10)]);
}

/// For each key: what goes or is replaced is what came last, and only what is there can go.
fn check_history(all: &[Told]) -> HashMap<u64, u64> {
    let mut live = HashMap::new();
    for told in all {
        let (key, cause, old, new) = *told;
        if cause == Cause::LoadFailed {
            continue;
        }
        assert_eq!(live.get(&key).copied(), old, "{told:?}");
        let comes = matches!(cause, Cause::Inserted | Cause::Replaced);
        assert_eq!(old.is_some(), cause != Cause::Inserted, "{told:?}");
        assert!(comes || new.is_none(), "{told:?}");
        match new {
            Some(new) => live.insert(key, new),
            None => live.remove(&key),
        };
    }
    live
}

/// That there is one event for each thing that is counted.
fn check_stats(all: &[Told], stats: &Stats) {
    let count = |is: &dyn Fn(&Told) -> bool| all.iter().filter(|told| is(told)).count() as u64;
    let counted = [
        count(&|told| told.3.is_some()),
        count(&|told| told.1 == Cause::Evicted),
        count(&|told| told.1 == Cause::Expired),
        count(&|told| matches!(told.1, Cause::Invalidated(_))),
        count(&|told| told.1 == Cause::LoadFailed),
    ];
    let known = [
        stats.insertions,
        stats.evictions,
        stats.expirations,
        stats.invalidations,
        stats.load_failures,
    ];
    assert_eq!(counted, known, "inserted, evicted, expired, invalidated, failed");
}

/// A small generator, so that a run needs nothing else (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Writers of a few keys in a cache that has to evict all the time, with invalidations, mutations, clears and expiry.
#[test]
fn the_history_of_each_key_is_told_in_order_and_once() {
    const WRITERS: u64 = 4;
    const STEPS: u64 = 3_000;
    for policy in POLICIES {
        for max_size in [1, 6, 40] {
            let (cache, clock) = timed(policy, max_size, seconds(100));
            let log = Log::of(&cache);
            std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let (cache, clock) = (&cache, &clock);
                    scope.spawn(move || {
                        let mut state = writer + 1;
                        for step in 0..STEPS {
                            let (key, value) = (random(&mut state) % 16, step * WRITERS + writer);
                            block_on(async {
                                match random(&mut state) % 32 {
                                    0 => cache.clear().await,
                                    1 => cache.begin_mutation_all().await.finish().await,
                                    2 => cache.begin_mutation(&key).await.finish().await,
                                    3..6 => drop(cache.invalidate(&key).await),
                                    6 => clock.advance(seconds(30)),
                                    7 => drop(cache.try_get_or_load(key, || async { Err(()) }).await),
                                    8..12 => drop(cache.get_or_load(key, || async { value }).await),
                                    12 => drop(cache.refresh(key, || async { value }).await),
                                    13 => drop(cache.len()),
                                    _ => cache.insert(key, value).await,
                                }
                            });
                        }
                    });
                }
            });
            let stats = cache.stats();
            let told = log.take();
            let live = check_history(&told);
            check_stats(&told, &stats);
            let held: HashMap<_, _> = (0..16).filter_map(|key| Some((key, cache.peek(&key)?))).collect();
            assert_eq!(live, held, "{policy:?}, {max_size}");
            assert!(
                stats.insertions > 1_000 && (max_size == 40 || stats.evictions > 100),
                "{stats}"
            );
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u64),
    InsertWithTtl(u64, u64, u64),
    Load(u64, u64),
    FailToLoad(u64),
    Refresh(u64, u64),
    Invalidate(u64),
    Mutate(u64),
    MutateAll,
    Clear,
    Get(u64),
    Len,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..10u64;
    prop_oneof![
        6 => (key.clone(), 1..9u64).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (key.clone(), 1..9u64, 0..8u64).prop_map(|(key, value, ttl)| Step::InsertWithTtl(key, value, ttl)),
        3 => (key.clone(), 1..9u64).prop_map(|(key, value)| Step::Load(key, value)),
        1 => key.clone().prop_map(Step::FailToLoad),
        2 => (key.clone(), 1..9u64).prop_map(|(key, value)| Step::Refresh(key, value)),
        2 => key.clone().prop_map(Step::Invalidate),
        1 => key.clone().prop_map(Step::Mutate),
        1 => Just(Step::MutateAll),
        1 => Just(Step::Clear),
        2 => key.prop_map(Step::Get),
        1 => Just(Step::Len),
        3 => (1..6u64).prop_map(Step::Advance),
    ]
}

async fn take_step(cache: &Cache<u64, u64>, clock: &Clock, step: Step) {
    match step {
        Step::Insert(key, value) => cache.insert(key, value).await,
        Step::InsertWithTtl(key, value, ttl) => cache.insert_with_ttl(key, value, seconds(ttl)).await,
        Step::Load(key, value) => drop(cache.get_or_load(key, || async { value }).await),
        Step::FailToLoad(key) => drop(cache.try_get_or_load(key, || async { Err(()) }).await),
        Step::Refresh(key, value) => drop(cache.refresh(key, || async { value }).await),
        Step::Invalidate(key) => drop(cache.invalidate(&key).await),
        Step::Mutate(key) => cache.begin_mutation(&key).await.finish().await,
        Step::MutateAll => cache.begin_mutation_all().await.finish().await,
        Step::Clear => cache.clear().await,
        Step::Get(key) => drop(cache.get(&key)),
        Step::Len => drop(cache.len()),
        Step::Advance(by) => clock.advance(seconds(by)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn events_are_what_the_statistics_count(
        tiny_lfu: bool,
        by_weight: bool,
        capacity in 0..9u64,
        ttl in prop::option::of(1..10u64),
        tti in prop::option::of(1..10u64),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let clock = Clock::manual();
        let mut builder = Cache::<u64, u64>::builder().clock(clock.clone()).policy(POLICIES[usize::from(tiny_lfu)]);
        builder = if by_weight {
            builder.max_weight(capacity, |_, value| u32::try_from(*value).unwrap())
        } else {
            builder.max_size(usize::try_from(capacity).unwrap())
        };
        if let Some(ttl) = ttl {
            builder = builder.ttl(seconds(ttl));
        }
        if let Some(tti) = tti {
            builder = builder.tti(seconds(tti));
        }
        let cache = builder.build();
        let log = Log::of(&cache);
        block_on(async {
            for step in steps {
                take_step(&cache, &clock, step).await;
            }
        });
        // Counted before it is looked at, because looking drops what has expired.
        let stats = cache.stats();
        let told = log.take();
        let live = check_history(&told);
        check_stats(&told, &stats);
        let held: HashMap<_, _> = (0..10).filter_map(|key| Some((key, cache.peek(&key)?))).collect();
        prop_assert_eq!(live, held);
    }
}

#[tokio::test]
async fn who_observes_is_who_did_when_it_happened() {
    let cache = plain(Policy::Lru, 10);
    let (early, late) = (Log::default(), Log::default());
    let doomed = Arc::new(Mutex::new(None::<ObserverId>));
    let is_done = AtomicBool::new(false);
    let (handle, writer, victim) = (cache.clone(), late.clone(), Arc::clone(&doomed));
    // Before the other one, so that this is called first.
    let first = cache.add_observer(move |event| {
        if *event.key() == 1 && !is_done.swap(true, Ordering::SeqCst) {
            handle.add_observer(writer.writer());
            let victim = victim.lock().unwrap().unwrap();
            assert!(handle.remove_observer(victim));
        }
    });
    *doomed.lock().unwrap() = Some(cache.add_observer(early.writer()));
    cache.insert(1, 1).await;
    assert_eq!(early.take(), [inserted(1, 1)], "removed after it happened");
    assert_eq!(late.take(), [], "added after it happened");
    cache.insert(2, 2).await;
    assert_eq!((early.take(), late.take()), (vec![], vec![inserted(2, 2)]));
    // It holds the cache.
    assert!(cache.remove_observer(first));
}

/// What happened while an observer was called is told later, but to those who observed when it happened.
#[tokio::test]
async fn who_comes_and_goes_before_it_is_told_does_not_matter() {
    let cache = plain(Policy::Lru, 10);
    let (early, late) = (Log::default(), Log::default());
    let doomed = cache.add_observer(early.writer());
    let (handle, writer) = (cache.clone(), late.clone());
    let nested = cache.add_observer(move |event| {
        if *event.key() == 1 {
            block_on(handle.insert(2, 2));
            assert!(handle.remove_observer(doomed));
            handle.add_observer(writer.writer());
        }
    });
    cache.insert(1, 1).await;
    assert_eq!(
        (early.take(), late.take()),
        (vec![inserted(1, 1), inserted(2, 2)], vec![])
    );
    assert!(cache.remove_observer(nested));
}

#[tokio::test]
async fn an_observer_may_remove_itself() {
    let cache = plain(Policy::Lru, 10);
    let calls = Arc::new(AtomicUsize::new(0));
    let own = Arc::new(OnceLock::new());
    let (counter, id, handle) = (Arc::clone(&calls), Arc::clone(&own), cache.clone());
    let added = cache.add_observer(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        assert!(handle.remove_observer(*id.get().unwrap()));
    });
    own.set(added).unwrap();
    cache.insert(1, 1).await;
    cache.insert(2, 2).await;
    assert_eq!((calls.load(Ordering::SeqCst), Arc::strong_count(&calls)), (1, 1));
    assert!(!cache.remove_observer(added));
}

/// Changes from inside come after what is being told, for all observers.
#[tokio::test]
async fn an_observer_may_change_the_same_key() {
    for policy in POLICIES {
        let cache = plain(policy, 10);
        let (before, after) = (Log::of(&cache), Log::default());
        let depth = AtomicUsize::new(0);
        let handle = cache.clone();
        let id = cache.add_observer(move |event| {
            assert_eq!(depth.fetch_add(1, Ordering::SeqCst), 0, "not from inside of itself");
            match event.value().copied() {
                Some(value) if value < 3 => block_on(handle.insert(*event.key(), value + 1)),
                Some(3) => drop(block_on(handle.invalidate(event.key()))),
                _ => {}
            }
            depth.fetch_sub(1, Ordering::SeqCst);
        });
        cache.add_observer(after.writer());
        cache.insert(7, 0).await;
        let all = vec![
            inserted(7, 0),
            replaced(7, 0, 1),
            replaced(7, 1, 2),
            replaced(7, 2, 3),
            gone(7, Cause::Invalidated(Reason::Key), 3),
        ];
        assert_eq!((before.take(), after.take()), (all.clone(), all));
        cache.remove_observer(id);
    }
}

/// Not only this thread could go on, but any.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_called_where_no_lock_is_held() {
    for policy in POLICIES {
        let (cache, clock) = timed(policy, 4, seconds(1));
        let calls = Arc::new(AtomicUsize::new(0));
        let (counter, handle) = (Arc::clone(&calls), cache.clone());
        let id = cache.add_observer(move |event| {
            if counter.fetch_add(1, Ordering::SeqCst) > 100 {
                return;
            }
            let (handle, key) = (handle.clone(), *event.key());
            let other = std::thread::spawn(move || {
                block_on(async {
                    handle.invalidate(&key).await;
                    handle.get_or_load(key, || async { 1 }).await;
                    handle.insert(key + 1, 2).await;
                    handle.begin_mutation_all().await.finish().await;
                    handle.clear().await;
                    handle.insert(key, 3).await;
                    observer::remove_observer(handle.add_observer(|_| ()));
                    cache_core::registry::caches();
                    handle.len()
                })
            });
            other.join().unwrap();
        });
        let (handle, counter) = (cache.clone(), Arc::clone(&calls));
        let changes = tokio::task::spawn_blocking(move || {
            block_on(async {
                for key in 0..8 {
                    handle.insert(key, key).await;
                }
                let _ = handle.try_get_or_load(100, || async { Err(()) }).await;
                clock.advance(seconds(1));
                handle.len();
                handle.insert(1, 1).await;
                handle.clear().await;
            });
            counter.load(Ordering::SeqCst)
        });
        assert!(soon(changes).await.unwrap() > 100);
        cache.remove_observer(id);
    }
}

#[test]
fn one_of_many_removes_an_observer() {
    let cache = plain(Policy::Lru, 10);
    for turn in 0..200 {
        let of_all = turn % 2 == 0;
        let id = if of_all {
            observer::add_observer(|_| ())
        } else {
            cache.add_observer(|_| ())
        };
        let begin = Barrier::new(8);
        let removed: usize = std::thread::scope(|scope| {
            let remove = || {
                begin.wait();
                usize::from(remove(&cache, of_all, id))
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(remove)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(removed, 1);
    }
}

#[test]
fn an_observer_belongs_to_its_cache() {
    let (a, b) = (plain(Policy::Lru, 10), plain(Policy::Lru, 10));
    let id = a.add_observer(|_| ());
    let everywhere = observer::add_observer(|_| ());
    assert!(!b.remove_observer(id) && !observer::remove_observer(id) && !a.remove_observer(everywhere));
    assert!(a.remove_observer(id) && observer::remove_observer(everywhere));
}

/// Tells the other threads of a test that it is over, also when it has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Writers write the time. Removed at a time, an observer is told of nothing that was begun later; one that was added is
/// told of everything that is.
#[test]
fn nothing_later_arrives_after_a_removal_and_all_after_an_addition() {
    let cache = plain(Policy::Lru, 4);
    let (now, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let steady = Log::of(&cache);
    let wrong = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (cache, now, over) = (&cache, &now, &over);
            scope.spawn(move || {
                let _over = Over(over);
                for turn in 0_u64.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    block_on(cache.insert(writer * 8 + turn % 8, now.load(Ordering::SeqCst)));
                }
            });
        }
        let _over = Over(&over);
        for round in 1..500 {
            let wrong = Arc::clone(&wrong);
            let own = Log::default();
            let writer = own.writer();
            let of_all = round % 2 == 0;
            let judge = move |event: &Event<u64, u64>| {
                writer(event);
                if event.value().is_some_and(|value| *value >= round) {
                    wrong.fetch_add(1, Ordering::SeqCst);
                }
            };
            if of_all {
                let own = own.clone();
                let name = cache.name().to_owned();
                let id = observer::add_observer(move |event| {
                    if event.cache() == name && event.value_as::<u64>().is_some_and(|value| *value >= round) {
                        own.0.lock().unwrap().push(failed(0));
                    }
                });
                block_on(cache.insert(100, round - 1));
                assert!(observer::remove_observer(id));
            } else {
                let id = cache.add_observer(judge);
                block_on(cache.insert(100, round - 1));
                assert!(cache.remove_observer(id));
            }
            now.store(round, Ordering::SeqCst);
            assert!(!own.take().contains(&failed(0)));
        }
    });
    assert_eq!(wrong.load(Ordering::SeqCst), 0);
    // Who observed all the time has missed nothing of it.
    check_history(&steady.take());
}

/// Others come and go while it is told.
#[test]
fn coming_and_going_disturbs_nobody() {
    let cache = plain(Policy::Lru, 6);
    let steady = Log::of(&cache);
    let captured = Arc::new(());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (cache, captured) = (&cache, &captured);
            scope.spawn(move || {
                for turn in 0..5_000 {
                    let last = Mutex::new(HashMap::new());
                    let captured = Arc::clone(captured);
                    let judge = move |key: u64, value: Option<u64>| {
                        assert!(Arc::strong_count(&captured) > 1);
                        if let Some(value) = value {
                            let former = last.lock().unwrap().insert(key, value);
                            assert!(former.is_none_or(|former| former < value));
                        }
                    };
                    if turn % 2 == 0 {
                        drop(cache.observe(move |event| judge(*event.key(), event.value().copied())));
                    } else {
                        let name = cache.name().to_owned();
                        drop(observer::observe(move |event| {
                            if event.cache() == name {
                                judge(*event.key_as().unwrap(), event.value_as().copied());
                            }
                        }));
                    }
                }
            });
        }
        for writer in 0..2 {
            let cache = &cache;
            scope.spawn(move || {
                for turn in 0..5_000 {
                    // Each key has one writer, so its values go up.
                    block_on(cache.insert(turn % 8 * 2 + writer, turn));
                }
            });
        }
    });
    let told = steady.take();
    check_history(&told);
    check_stats(&told, &cache.stats());
    assert_eq!(told.iter().filter(|told| told.3.is_some()).count(), 10_000);
    // A thread of another test may be telling of a change of its own, to those who observed then.
    wait_until(|| Arc::strong_count(&captured) == 1);
}

/// What was logged in this process with such a text in it.
fn logged(part: &str) -> Vec<(log::Level, String)> {
    type Lines = Mutex<Vec<(log::Level, String)>>;
    struct Kept;
    static LINES: OnceLock<Lines> = OnceLock::new();
    static KEPT: Kept = Kept;

    impl log::Log for Kept {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }

        fn log(&self, record: &log::Record) {
            let line = (record.level(), record.args().to_string());
            LINES.get().unwrap().lock().unwrap().push(line);
        }

        fn flush(&self) {}
    }

    let lines = LINES.get_or_init(Lines::default);
    // Set by whoever is first.
    if log::set_logger(&KEPT).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    let lines = lines.lock().unwrap();
    lines.iter().filter(|(_, text)| text.contains(part)).cloned().collect()
}

#[tokio::test]
async fn a_panic_of_an_observer_is_its_own() {
    logged("");
    let cache = Cache::builder().name("panicked at").build();
    let before = Log::of(&cache);
    let panicking = cache.add_observer(|event| assert!(*event.key() == 0, "told to panic"));
    let other = cache.add_observer(|_| std::panic::panic_any(7_u8));
    let after = Log::of(&cache);
    for key in 0..3 {
        cache.insert(key, key).await;
    }
    let all: Vec<_> = (0..3).map(|key| inserted(key, key)).collect();
    assert_eq!((before.take(), after.take()), (all.clone(), all));
    assert_eq!((cache.get(&2), cache.len()), (Some(2), 3));
    let lines = logged("panicked at");
    assert_eq!(lines.len(), 2, "once each: {lines:?}");
    for (id, text) in [(panicking, "told to panic"), (other, "no message")] {
        let line = lines.iter().find(|(_, line)| line.contains(&id.to_string())).unwrap();
        assert_eq!(line.0, log::Level::Error);
        assert!(line.1.contains(text), "{line:?}");
    }
}

/// A value whose drop panics, or changes the cache it was in.
#[derive(Clone)]
struct Noisy(#[expect(dead_code, reason = "held to be dropped")] Arc<Drops>);

struct Drops {
    cache: Arc<OnceLock<Cache<u64, Noisy>>>,
    key: u64,
}

impl Drop for Drops {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.get() {
            cache.invalidate_local(&(self.key + 1));
            assert!(!self.key.is_multiple_of(3), "told to panic");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_an_event_was_the_last_to_hold_may_do_what_they_like() {
    for policy in POLICIES {
        let cell = Arc::new(OnceLock::new());
        let cache = Cache::builder().max_size(8).policy(policy).build();
        assert!(cell.set(cache.clone()).is_ok());
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let _events = cache.events_with_capacity(4);
        cache.add_observer(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let value = |key| {
            let cache = Arc::clone(&cell);
            Noisy(Arc::new(Drops { cache, key }))
        };
        for turn in 0..500_u64 {
            let inserted = AssertUnwindSafe(cache.insert(turn % 20, value(turn % 20)));
            let _ = soon(inserted.catch_unwind()).await;
            if turn % 50 == 0 {
                let _ = soon(AssertUnwindSafe(cache.clear()).catch_unwind()).await;
            }
        }
        assert!(seen.load(Ordering::SeqCst) >= 500);
    }
}

#[tokio::test]
async fn observers_of_the_process_hear_of_all_caches() {
    let before = Cache::<u64, u64>::builder().name("everywhere before").build();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    let note = move |event: &AnyEvent| {
        if event.cache().starts_with("everywhere") {
            let key = event.key_as::<u64>().map(u64::to_string);
            let key = key.or_else(|| event.key_as::<String>().cloned()).unwrap();
            assert!(event.key_as::<u8>().is_none() && event.value_as::<u8>().is_none());
            let values = (event.old_value_as::<u64>().copied(), event.value_as::<u64>().copied());
            lines
                .lock()
                .unwrap()
                .push((event.cache().to_owned(), key, event.cause(), values));
        }
    };
    let subscription = observer::observe(note);
    let after = Cache::<String, u64>::builder().name("everywhere after").build();
    before.insert(1, 10).await;
    before.insert(1, 11).await;
    after.insert("two".to_owned(), 20).await;
    after.invalidate("two").await;
    drop(subscription);
    before.insert(1, 12).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let line = |cache: &str, key: &str, cause, values| (format!("everywhere {cache}"), key.to_owned(), cause, values);
    assert_eq!(
        seen,
        [
            line("before", "1", Cause::Inserted, (None, Some(10))),
            line("before", "1", Cause::Replaced, (Some(10), Some(11))),
            line("after", "two", Cause::Inserted, (None, Some(20))),
            line("after", "two", Cause::Invalidated(Reason::Key), (Some(20), None)),
        ]
    );
}

/// It has no way to be printed, nor to be compared.
#[derive(Clone)]
struct Opaque;

#[tokio::test]
async fn an_event_owns_what_it_tells_and_can_be_printed() {
    let cache = Cache::<u64, Opaque>::builder().name("opaque").build();
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    cache.add_observer(move |event| *keep.lock().unwrap() = Some(event.clone()));
    cache.insert(7, Opaque).await;
    drop(cache);
    let event = kept.lock().unwrap().take().unwrap();
    assert_eq!(
        (event.cache(), *event.key(), event.value().is_some()),
        ("opaque", 7, true)
    );
    let shown = format!("{event:?}");
    assert!(shown.contains("opaque") && shown.contains("Inserted"), "{shown}");
}

#[tokio::test]
async fn a_subscription_ends_when_it_is_dropped_and_keeps_nothing_alive() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let cache = plain(Policy::Lru, 10);
    let log = Log::default();
    let subscription = cache.observe(log.writer());
    is_shared::<Subscription>(&subscription);
    is_shared(&subscription.id());
    cache.insert(1, 1).await;
    drop(subscription);
    cache.insert(2, 2).await;
    assert_eq!(log.take(), [inserted(1, 1)]);
    assert_eq!(Arc::strong_count(&log.0), 1);

    let subscription = cache.observe(log.writer());
    let name = cache.name().to_owned();
    drop(cache);
    assert!(cache_core::registry::get(&name).is_none());
    assert_eq!(Arc::strong_count(&log.0), 1, "observers go with the cache");
    drop(subscription);
}

#[test]
fn a_million_observers_that_came_and_went_leave_nothing_behind() {
    const TIMES: usize = 1_000_000;
    let cache = plain(Policy::Lru, 4);
    let captured = Arc::new(());
    for turn in 0..TIMES {
        let held = Arc::clone(&captured);
        if turn % 2 == 0 {
            let id = cache.add_observer(move |_| drop(Arc::clone(&held)));
            if turn % 100 == 0 {
                block_on(cache.insert(turn as u64, 1));
            }
            assert!(cache.remove_observer(id));
        } else {
            let id = observer::add_observer(move |_| drop(Arc::clone(&held)));
            if turn % 101 == 0 {
                block_on(cache.insert(turn as u64, 1));
            }
            assert!(observer::remove_observer(id));
        }
    }
    // A thread of another test may be telling of a change of its own, to those who observed then.
    wait_until(|| Arc::strong_count(&captured) == 1);
}

fn remove(cache: &Cache<u64, u64>, of_all: bool, id: ObserverId) -> bool {
    if of_all {
        observer::remove_observer(id)
    } else {
        cache.remove_observer(id)
    }
}

#[derive(Clone, Debug)]
enum Wiring {
    Add,
    AddEverywhere,
    Remove(prop::sample::Index),
    Change(Step),
}

fn wiring() -> impl Strategy<Value = Wiring> {
    prop_oneof![
        2 => Just(Wiring::Add),
        1 => Just(Wiring::AddEverywhere),
        2 => any::<prop::sample::Index>().prop_map(Wiring::Remove),
        8 => step().prop_map(Wiring::Change),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Who is added first observes all the time, and what the others are told is a part of that.
    #[test]
    fn each_observer_is_told_what_happened_while_it_was_there(wirings in prop::collection::vec(wiring(), 1..120)) {
        let (cache, clock) = timed(Policy::Lru, 4, seconds(9));
        let all = Log::of(&cache);
        let mut so_far = Vec::new();
        // Those who observe, and what they should have been told.
        let mut present: Vec<(bool, ObserverId, Log, Vec<Told>)> = Vec::new();
        let mut past = Vec::new();
        for wiring in wirings {
            match wiring {
                Wiring::Add => {
                    let log = Log::default();
                    present.push((false, cache.add_observer(log.writer()), log, Vec::new()));
                }
                Wiring::AddEverywhere => {
                    let (log, name) = (Log::default(), cache.name().to_owned());
                    let lines = Arc::clone(&log.0);
                    let id = observer::add_observer(move |event| {
                        if event.cache() == name {
                            let (old, new) = (event.old_value_as().copied(), event.value_as().copied());
                            lines.lock().unwrap().push((*event.key_as().unwrap(), event.cause(), old, new));
                        }
                    });
                    present.push((true, id, log, Vec::new()));
                }
                Wiring::Remove(index) if !present.is_empty() => {
                    let gone = present.swap_remove(index.index(present.len()));
                    prop_assert!(remove(&cache, gone.0, gone.1));
                    past.push(gone);
                }
                Wiring::Remove(_) => {}
                Wiring::Change(step) => {
                    block_on(take_step(&cache, &clock, step));
                    let told = all.take();
                    for observer in &mut present {
                        observer.3.extend(&told);
                    }
                    so_far.extend(told);
                }
            }
        }
        for (of_all, id, ..) in &present {
            prop_assert!(remove(&cache, *of_all, *id));
        }
        for (_, _, log, expected) in present.iter().chain(&past) {
            prop_assert_eq!(&log.take(), expected);
        }
        // Which drops what has expired.
        let stats = cache.stats();
        so_far.extend(all.take());
        check_stats(&so_far, &stats);
    }
}

#[tokio::test]
async fn a_stream_has_all_events_and_ends_with_the_cache() {
    fn is_stream<T: Stream + Send + Sync + Unpin + 'static>(_: &T) {}
    let (cache, clock) = timed(Policy::Lru, 2, seconds(5));
    let mut events = cache.events();
    is_stream::<Events<u64, u64>>(&events);
    cache.insert(1, 10).await;
    assert_eq!(told(&events.recv().await.unwrap().unwrap()), inserted(1, 10));
    assert!(events.recv().now_or_never().is_none());
    cache.insert(2, 20).await;
    cache.insert(3, 30).await;
    clock.advance(seconds(5));
    assert!(cache.is_empty());
    drop(cache);
    let rest: Vec<_> = soon((&mut events).map(|event| told(&event.unwrap())).collect()).await;
    assert_eq!(
        rest,
        [
            inserted(2, 20),
            inserted(3, 30),
            gone(1, Cause::Evicted, 10),
            gone(2, Cause::Expired, 20),
            gone(3, Cause::Expired, 30)
        ]
    );
    assert!(soon(events.recv()).await.is_none());
}

#[tokio::test]
async fn who_waits_for_an_event_is_woken_by_it_and_by_the_end() {
    let cache = plain(Policy::Lru, 2);
    let mut events = cache.events();
    let reader = tokio::spawn(async move {
        let first = told(&events.recv().await.unwrap().unwrap());
        (first, events.recv().await.is_none())
    });
    tokio::task::yield_now().await;
    cache.insert(1, 10).await;
    tokio::task::yield_now().await;
    drop(cache);
    assert_eq!(soon(reader).await.unwrap(), (inserted(1, 10), true));
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_missed_and_holds_up_nobody() {
    let cache = plain(Policy::Lru, 100);
    let mut slow = cache.events_with_capacity(4);
    let mut quick = cache.events_with_capacity(16);
    for key in 0..10 {
        cache.insert(key, key).await;
    }
    assert_eq!(slow.recv().await.unwrap().unwrap_err(), Missed(6));
    for key in 6..10 {
        assert_eq!(*slow.recv().await.unwrap().unwrap().key(), key);
    }
    cache.insert(10, 10).await;
    assert_eq!(*slow.recv().await.unwrap().unwrap().key(), 10);
    for key in 0..11 {
        assert_eq!(*quick.recv().await.unwrap().unwrap().key(), key);
    }
    let shown = Missed(6).to_string();
    assert!(shown.contains('6') && shown.contains("events_with_capacity"), "{shown}");
}

#[tokio::test]
async fn odd_capacities_are_made_to_fit() {
    let cache = plain(Policy::Lru, 100);
    let mut none = cache.events_with_capacity(0);
    let mut all = cache.events_with_capacity(usize::MAX);
    cache.insert(1, 1).await;
    cache.insert(2, 2).await;
    assert_eq!(none.recv().await.unwrap().unwrap_err(), Missed(1));
    assert_eq!(*none.recv().await.unwrap().unwrap().key(), 2);
    assert_eq!(*all.recv().await.unwrap().unwrap().key(), 1);
}

#[tokio::test]
async fn dropping_a_stream_ends_its_subscription() {
    let cache = Cache::<u64, Arc<()>>::builder().build();
    let value = Arc::new(());
    let events = cache.events();
    cache.insert(1, Arc::clone(&value)).await;
    drop(events);
    cache.insert(2, Arc::clone(&value)).await;
    cache.clear().await;
    // Nobody is left who holds an event.
    until(|| Arc::strong_count(&value) == 1).await;
}
