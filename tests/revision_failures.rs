//! What goes wrong around values with revisions: sources and loads that fail, and users' types that do odd things in the middle.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cache_core::revision::{OnChange, Revised, Status};
use cache_core::{Cache, Clock};
use futures::FutureExt as _;
use support::{Fate, Source, soon, until, wait_until};

const KEY: u64 = 7;
const SECOND: Duration = Duration::from_secs(1);
const MAX_STALE: Duration = Duration::from_secs(60);

type Numbers = Cache<u64, Revised<u64>>;

async fn without_source(cache: Numbers, source: Arc<Source>) -> Result<u64, &'static str> {
    let down = async { Err::<u64, _>("down") };
    let load = || async move { source.try_read().await };
    Ok(cache.try_spawn_at_revision(KEY, down, load).await?.value)
}

/// A value that is too old when it comes is as good as any for those who asked before its load began.
#[tokio::test(flavor = "multi_thread")]
async fn callers_without_source_do_not_queue_up_behind_slow_loads() {
    let clock = Clock::manual();
    let cache = Numbers::builder().max_stale(MAX_STALE).clock(clock.clone()).build();
    let source = Arc::new(Source::new(1));
    let call = || tokio::spawn(without_source(cache.clone(), Arc::clone(&source)));
    let mut callers = vec![call()];
    let first = source.started().await;
    callers.extend((0..9).map(|_| call()));
    until(|| cache.stats().misses == 10).await;
    clock.advance(MAX_STALE);
    first.go_on();
    // It began before they asked. They share the next, which takes as long.
    let second = source.started().await;
    clock.advance(MAX_STALE);
    second.go_on();
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), Ok(1));
    }
    assert_eq!(source.reads(), 2);
}

/// Of a key that nobody asks for again it would be told for ever.
#[tokio::test]
async fn a_failed_reading_is_forgotten_with_the_value_that_was_loaded_without_it() {
    let cache = Numbers::builder().build();
    let down = || async { Err::<u64, _>("down") };
    let found = cache
        .try_get_at_revision(KEY, down(), || async { Ok::<_, String>(1) })
        .await;
    assert_eq!(found.unwrap().status, Status::Miss);
    assert_eq!(
        cache.last_error().unwrap().to_string(),
        "reading the revision failed: down"
    );
    cache.invalidate(&KEY).await;
    until(|| cache.last_error().is_none()).await;

    // Who is told that the load failed knows enough.
    let found = cache
        .try_get_at_revision(KEY, down(), || async { Err::<u64, _>("no") })
        .await;
    assert_eq!(found.unwrap_err(), "no");
    assert!(cache.last_error().is_none());
}

/// An old value has its time by `max_stale`. What serves past a TTL is of the same revision, or nothing.
#[tokio::test]
async fn no_failure_brings_back_a_value_of_another_revision() {
    let clock = Clock::manual();
    let cache = Numbers::builder()
        .ttl(SECOND)
        .stale_if_error(MAX_STALE)
        .clock(clock.clone())
        .build();
    let fail = || async { Err::<u64, _>("no") };
    let told = |revision: u64| async move { Ok::<_, String>(revision) };
    let load = || async { Ok::<_, &str>(1) };
    cache.try_get_at_revision(KEY, told(1), load).await.unwrap();
    for _ in 0..2 {
        let here = cache.try_get_at_revision(KEY, told(2), fail).await;
        assert_eq!(here.unwrap_err(), "no");
        let spawned = cache.try_spawn_at_revision(KEY, told(2), fail).await;
        assert_eq!(spawned.unwrap_err(), "no");
        clock.advance(SECOND);
    }
    let here = cache.try_get_at_revision(KEY, told(1), fail).await;
    assert_eq!(here.unwrap().value, 1);
    let spawned = cache.try_spawn_at_revision(KEY, told(1), fail).await;
    assert_eq!(spawned.unwrap().value, 1);
    // The one that has failed just now keeps the next away.
    assert_eq!((cache.stats().load_failures, cache.stats().stale), (5, 2));
}

/// The number of a load says nothing in another cache.
#[tokio::test]
async fn a_value_of_another_cache_is_not_taken_for_a_newer_one() {
    let (one, other) = (Numbers::builder().build(), Numbers::builder().build());
    for revision in 0..5_u64 {
        one.get_at_revision(KEY, async { revision }, || async { revision })
            .await;
    }
    other.insert(KEY, one.peek(&KEY).unwrap()).await;
    let found = other.get_at_revision(KEY, async { 4_u64 }, || async { 5 }).await;
    assert_eq!((found.value, found.status), (4, Status::HitRevision));
    let found = other.get_at_revision(KEY, async { 5_u64 }, || async { 5 }).await;
    assert_eq!((found.value, found.status), (5, Status::Reloaded));
}

/// Its comparison changes the cache.
#[derive(Clone)]
struct Meddling(u64, Arc<OnceLock<Numbers>>);

impl PartialEq for Meddling {
    fn eq(&self, other: &Self) -> bool {
        if let Some(cache) = self.1.get() {
            // Of every shard.
            for key in (0..100).filter(|key| *key != KEY) {
                cache.invalidate_local(&key);
            }
        }
        self.0 == other.0
    }
}

impl Eq for Meddling {}

#[test]
fn a_comparison_of_revisions_may_call_the_cache() {
    let calls = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let cell = Arc::new(OnceLock::new());
            let cache = Numbers::builder().build();
            assert!(cell.set(cache.clone()).is_ok());
            for revision in 1..4 {
                let told = async { Meddling(revision, Arc::clone(&cell)) };
                let found = cache.get_at_revision(KEY, told, || async { revision }).await;
                assert_eq!(found.value, revision);
            }
        });
    });
    wait_until(|| calls.is_finished());
    calls.join().unwrap();
}

/// Whatever it is that panics, its caller has gone with the old value.
#[tokio::test]
async fn a_panic_after_a_load_in_the_background_is_told() {
    let weigher = |_: &u64, value: &Revised<u64>| {
        assert_ne!(*value.value(), 2, "told to panic");
        1
    };
    let cache = Numbers::builder()
        .max_weight(100, weigher)
        .on_change(OnChange::Stale)
        .build();
    let source = Arc::new(Source::new(1));
    let get = |revision: u64| {
        let source = Arc::clone(&source);
        cache.spawn_at_revision(KEY, async move { revision }, || async move { source.read().await })
    };
    let first = async { source.started().await.go_on() };
    soon(futures::future::join(get(1), first)).await;
    source.set(2);
    assert_eq!(get(2).await.status, Status::Stale);
    source.started().await.end(Fate::Return);
    until(|| cache.stats().load_failures == 1).await;
    assert_eq!(
        cache.last_error().unwrap().to_string(),
        "the refresh in the background failed: it panicked"
    );
}

#[tokio::test]
async fn a_panic_of_a_load_of_ones_own_is_its_callers() {
    let cache = Numbers::builder().on_change(OnChange::Stale).build();
    cache.get_at_revision(KEY, async { 1_u64 }, || async { 1 }).await;
    let panicking = cache.get_at_revision(KEY, async { 2_u64 }, || async { panic!("told to") });
    assert!(AssertUnwindSafe(panicking).catch_unwind().await.is_err());
    assert_eq!(cache.stats().load_failures, 1);
    assert!(cache.last_error().is_none(), "its caller has been told");
}

/// Its words panic.
#[derive(Clone, Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("told to panic")
    }
}

#[tokio::test]
async fn an_error_whose_words_panic_leaves_the_old_value() {
    let cache = Numbers::builder()
        .on_change(OnChange::Stale)
        .retry_after(Duration::ZERO)
        .build();
    let told = |revision: u64| async move { Ok::<_, String>(revision) };
    let ok = |value| move || async move { Ok::<u64, Unspeakable>(value) };
    cache.try_spawn_at_revision(KEY, told(1), ok(1)).await.unwrap();
    let failing = cache.try_spawn_at_revision(KEY, told(2), || async { Err(Unspeakable) });
    assert_eq!(failing.await.unwrap().status, Status::Stale);
    until(|| cache.stats().load_failures == 1).await;
    assert!(cache.last_error().is_some());
    // Nothing is claimed for ever.
    let calls = AtomicU64::new(0);
    until(|| cache.peek(&KEY).is_some()).await;
    while *cache.peek(&KEY).unwrap().value() == 1 {
        assert!(calls.fetch_add(1, SeqCst) < 10_000);
        let found = cache.try_spawn_at_revision(KEY, told(2), ok(2)).await;
        assert!(found.unwrap().value <= 2);
        tokio::task::yield_now().await;
    }
}
