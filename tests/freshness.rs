//! What a cache does around the moment of loading: stale values, refreshes in the background, kept failures, patience.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::observer::Cause;
use cache_core::{Builder, Cache, Clock, Jitter, LoadTimeout, session};
use futures::FutureExt as _;
use futures::future::join_all;
use support::{Fate, Source, soon, until};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const KEY: u64 = 7;

#[derive(Clone, Debug, PartialEq)]
enum Failed {
    Upstream,
    Slow(LoadTimeout),
}

impl From<LoadTimeout> for Failed {
    fn from(timeout: LoadTimeout) -> Self {
        Self::Slow(timeout)
    }
}

/// A cache with a TTL of a minute on a clock that is set by hand, and what it loads from.
#[derive(Clone)]
struct Subject {
    cache: Cache<u64, u64>,
    clock: Clock,
    source: Arc<Source>,
}

impl Subject {
    fn new(set_up: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>) -> Self {
        let clock = Clock::manual();
        let builder = Cache::builder().name("subject").ttl(MINUTE).clock(clock.clone());
        Self {
            cache: set_up(builder).build(),
            clock,
            source: Arc::new(Source::new(1)),
        }
    }

    /// The same, with 1 loaded and past its TTL by a second.
    async fn stale(set_up: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>) -> Self {
        let this = Self::new(set_up);
        this.cache.insert(KEY, 1).await;
        this.source.set(2);
        this.clock.advance(MINUTE + SECOND);
        this
    }

    /// By a load that may run in the background.
    async fn spawned(&self) -> Result<u64, Failed> {
        let source = Arc::clone(&self.source);
        let load = || async move { source.try_read().await.map_err(|_| Failed::Upstream) };
        self.cache.try_get_or_spawn(KEY, load).await
    }

    /// By a load of its caller's.
    async fn loaded(&self) -> Result<u64, Failed> {
        let load = || async { self.source.try_read().await.map_err(|_| Failed::Upstream) };
        self.cache.try_get_or_load(KEY, load).await
    }

    fn start(&self) -> tokio::task::JoinHandle<Result<u64, Failed>> {
        let this = self.clone();
        tokio::spawn(async move { this.spawned().await })
    }

    async fn value_becomes(&self, value: u64) {
        until(|| self.cache.peek(&KEY) == Some(value)).await;
    }
}

// stale_while_revalidate

#[tokio::test(flavor = "multi_thread")]
async fn past_the_ttl_callers_get_the_old_value_at_once_while_one_refresh_runs() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    // Nobody lets the refresh go on, and yet all have a value.
    for _ in 0..100 {
        assert_eq!(soon(it.start()).await.unwrap(), Ok(1));
    }
    let read = it.source.started().await;
    assert!(!it.source.has_started().await);
    read.go_on();
    it.value_becomes(2).await;
    assert_eq!(soon(it.spawned()).await, Ok(2));
    let stats = it.cache.stats();
    assert_eq!((it.source.reads(), stats.refreshes, stats.stale), (1, 1, 100));
    assert_eq!((stats.hits, stats.misses), (101, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_start_one_refresh() {
    for _ in 0..200 {
        let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
        let callers = (0..8).map(|_| it.start());
        for value in soon(join_all(callers)).await {
            assert_eq!(value.unwrap(), Ok(1));
        }
        it.source.started().await.go_on();
        it.value_becomes(2).await;
        assert_eq!(it.source.reads(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_window_callers_wait_for_a_new_value() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    it.clock.advance(29 * SECOND);
    let caller = it.start();
    it.source.started().await.go_on();
    assert_eq!(soon(caller).await.unwrap(), Ok(2));
    assert_eq!(it.cache.stats().stale, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_late_serves_who_comes_after_the_window() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    assert_eq!(soon(it.spawned()).await, Ok(1));
    let read = it.source.started().await;
    it.clock.advance(30 * SECOND);
    let caller = it.start();
    until(|| it.cache.stats().misses == 1).await;
    read.go_on();
    assert_eq!(soon(caller).await.unwrap(), Ok(2));
    assert_eq!(it.source.reads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_fails_is_tried_again_later() {
    let set_up = |builder: Builder<_, _>| builder.stale_while_revalidate(30 * SECOND).retry_after(5 * SECOND);
    let it = Subject::stale(set_up).await;
    for fate in [Fate::Fail, Fate::Panic] {
        assert_eq!(soon(it.spawned()).await, Ok(1));
        let failures = it.cache.stats().load_failures;
        it.source.started().await.end(fate);
        until(|| it.cache.stats().load_failures > failures).await;
        it.clock.advance(4 * SECOND);
        assert_eq!(soon(it.spawned()).await, Ok(1));
        assert!(!it.source.has_started().await);
        it.clock.advance(SECOND);
    }
    assert_eq!(soon(it.spawned()).await, Ok(1));
    it.source.started().await.go_on();
    it.value_becomes(2).await;
}

/// Who has no load that could run by itself waits for it; all others do not.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_task_one_caller_brings_the_new_value() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    let leader = tokio::spawn({
        let it = it.clone();
        async move { it.loaded().await }
    });
    let read = it.source.started().await;
    for _ in 0..10 {
        assert_eq!(soon(it.loaded()).await, Ok(1));
    }
    read.go_on();
    assert_eq!(soon(leader).await.unwrap(), Ok(2));
    assert_eq!(it.source.reads(), 1);
}

/// A reload that was asked for is under way: it is what brings the new value, and nobody takes its place or waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_leaves_a_reload_alone() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    let reload = tokio::spawn({
        let it = it.clone();
        async move { it.cache.refresh(KEY, || it.source.read()).await }
    });
    let read = it.source.started().await;
    assert_eq!(soon(it.spawned()).await, Ok(1));
    assert_eq!(soon(it.loaded()).await, Ok(1));
    it.clock.advance(2 * SECOND);
    assert_eq!(soon(it.loaded()).await, Ok(1));
    read.go_on();
    assert_eq!(soon(reload).await.unwrap(), 2);
    assert_eq!((it.cache.peek(&KEY), it.source.reads()), (Some(2), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_goes_away_is_replaced() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    {
        let mut leader = Box::pin(it.loaded());
        assert!((&mut leader).now_or_never().is_none());
    }
    drop(it.source.started().await);
    let leader = tokio::spawn({
        let it = it.clone();
        async move { it.loaded().await }
    });
    it.source.started().await.go_on();
    assert_eq!(soon(leader).await.unwrap(), Ok(2));
}

#[tokio::test]
async fn a_look_without_a_load_sees_no_stale_value() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(30 * SECOND)).await;
    assert_eq!((it.cache.get(&KEY), it.cache.peek(&KEY)), (None, None));
    assert_eq!(it.cache.len(), 1);
    it.clock.advance(29 * SECOND);
    assert_eq!(it.cache.len(), 0);
    assert_eq!(it.cache.stats().expirations, 1);
}

#[tokio::test]
async fn idle_time_ends_a_stale_value_as_well() {
    let it = Subject::new(|builder| builder.stale_while_revalidate(MINUTE).tti(40 * SECOND));
    it.cache.insert(KEY, 1).await;
    it.clock.advance(39 * SECOND);
    assert_eq!(it.cache.get(&KEY), Some(1));
    it.clock.advance(22 * SECOND);
    assert_eq!(it.cache.get_or_spawn(KEY, std::future::pending).await, 1);
    it.clock.advance(39 * SECOND);
    assert_eq!(it.cache.len(), 1);
    it.clock.advance(SECOND);
    assert_eq!(it.cache.len(), 0);
}

/// It knows nothing of what has been stored since.
#[tokio::test(flavor = "multi_thread")]
async fn the_failure_of_a_detached_load_keeps_no_refresh_away() {
    let it = Subject::new(|builder| builder.stale_while_revalidate(MINUTE).retry_after(30 * SECOND));
    let detached = it.start();
    let read = it.source.started().await;
    it.cache.insert(KEY, 1).await;
    it.clock.advance(MINUTE);
    read.end(Fate::Fail);
    assert_eq!(soon(detached).await.unwrap(), Ok(1));
    it.source.set(2);
    assert_eq!(soon(it.spawned()).await, Ok(1));
    it.source.started().await.go_on();
    it.value_becomes(2).await;
}

// stale_if_error

#[tokio::test(flavor = "multi_thread")]
async fn when_a_load_fails_the_last_good_value_serves() {
    let it = Subject::stale(|builder| builder.stale_if_error(5 * MINUTE)).await;
    let failures = Arc::new(AtomicU64::new(0));
    let _subscription = it.cache.observe({
        let failures = Arc::clone(&failures);
        move |event| {
            if event.cause() == Cause::LoadFailed {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Those who waited for it are served as well, and who comes within a second is not kept waiting.
    let callers: Vec<_> = (0..10).map(|_| it.start()).collect();
    let read = it.source.started().await;
    until(|| it.cache.stats().misses == 10).await;
    read.end(Fate::Fail);
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), Ok(1));
    }
    assert_eq!(soon(it.spawned()).await, Ok(1));
    assert_eq!(soon(it.loaded()).await, Ok(1));
    let stats = it.cache.stats();
    assert_eq!((stats.load_failures, stats.stale, it.source.reads()), (1, 12, 1));
    assert_eq!(failures.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_is_retried_no_more_often_than_retry_after() {
    let it = Subject::stale(|builder| builder.stale_if_error(5 * MINUTE).retry_after(10 * SECOND)).await;
    for round in 1..=3 {
        let caller = it.start();
        it.source.started().await.end(Fate::Fail);
        assert_eq!(soon(caller).await.unwrap(), Ok(1));
        it.clock.advance(9 * SECOND);
        assert_eq!(soon(it.spawned()).await, Ok(1));
        assert_eq!(it.source.reads(), round);
        it.clock.advance(SECOND);
    }
    let caller = it.start();
    it.source.started().await.go_on();
    assert_eq!(soon(caller).await.unwrap(), Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_time_the_error_is_returned() {
    let it = Subject::stale(|builder| builder.stale_if_error(5 * MINUTE)).await;
    it.clock.advance(5 * MINUTE);
    let caller = it.start();
    it.source.started().await.end(Fate::Fail);
    assert_eq!(soon(caller).await.unwrap(), Err(Failed::Upstream));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_is_not_clone_is_covered_as_well() {
    #[derive(Debug)]
    struct NotClone;

    let it = Subject::stale(|builder| builder.stale_if_error(5 * MINUTE)).await;
    let call = |it: Subject| async move {
        let load = || async { it.source.try_read().await.map_err(|_| NotClone) };
        it.cache.try_get_or_load_unshared(KEY, load).await.unwrap()
    };
    let callers: Vec<_> = (0..5).map(|_| tokio::spawn(call(it.clone()))).collect();
    let read = it.source.started().await;
    until(|| it.cache.stats().misses == 5).await;
    read.end(Fate::Fail);
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), 1);
    }
    // None of those who waited tried by itself.
    assert_eq!((it.source.reads(), it.cache.stats().stale), (1, 5));
}

/// What somebody has stored while the load was failing is not old.
#[tokio::test]
async fn a_new_value_that_serves_for_a_failed_load_is_not_counted_as_stale() {
    let it = Subject::new(|builder| builder.stale_if_error(5 * MINUTE));
    let load = || async {
        it.cache.insert(KEY, 3).await;
        Err(Failed::Upstream)
    };
    assert_eq!(it.cache.try_get_or_load(KEY, load).await, Ok(3));
    assert_eq!((it.cache.stats().stale, it.cache.stats().load_failures), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_reaches_its_caller_and_the_old_value_the_others() {
    let it = Subject::stale(|builder| builder.stale_if_error(5 * MINUTE)).await;
    let leader = it.start();
    let read = it.source.started().await;
    let waiter = it.start();
    until(|| it.cache.stats().misses == 2).await;
    read.end(Fate::Panic);
    assert!(soon(leader).await.unwrap_err().is_panic());
    assert_eq!(soon(waiter).await.unwrap(), Ok(1));
    assert_eq!(it.source.reads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_reload_hears_of_its_failure() {
    let it = Subject::stale(|builder| builder.stale_if_error(5 * MINUTE)).await;
    let reload = it.cache.try_refresh(KEY, || async { Err(Failed::Upstream) });
    assert_eq!(soon(reload).await, Err(Failed::Upstream));
    assert_eq!(soon(it.spawned()).await, Ok(1), "and who comes then is served");
}

// refresh_ahead

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_in_the_last_fifth_starts_one_refresh() {
    let it = Subject::new(|builder| builder.refresh_ahead(0.8));
    it.cache.insert(KEY, 1).await;
    it.source.set(2);
    it.clock.advance(Duration::from_nanos(47_999_999_999));
    assert_eq!(soon(it.spawned()).await, Ok(1));
    assert!(!it.source.has_started().await);
    it.clock.advance(Duration::from_nanos(1));
    for _ in 0..10 {
        assert_eq!(soon(it.spawned()).await, Ok(1));
        assert_eq!(it.cache.get(&KEY), Some(1));
    }
    it.source.started().await.go_on();
    it.value_becomes(2).await;
    let stats = it.cache.stats();
    assert_eq!((stats.refreshes, stats.stale, stats.misses), (1, 0, 0));
    // The new one lives as long as the first.
    it.clock.advance(59 * SECOND);
    assert_eq!(it.cache.get(&KEY), Some(2));
    it.clock.advance(SECOND);
    assert_eq!(it.cache.get(&KEY), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_ahead_that_fails_is_tried_again_and_the_ttl_holds() {
    let it = Subject::new(|builder| builder.refresh_ahead(0.5));
    it.cache.insert(KEY, 1).await;
    it.clock.advance(31 * SECOND);
    for tries in 1..=2 {
        assert_eq!(soon(it.spawned()).await, Ok(1));
        it.source.started().await.end(Fate::Fail);
        until(|| it.cache.stats().load_failures == tries).await;
        assert_eq!(soon(it.spawned()).await, Ok(1));
        assert!(!it.source.has_started().await);
        it.clock.advance(SECOND);
    }
    it.clock.advance(27 * SECOND);
    assert_eq!(it.cache.get(&KEY), None, "no value is served past its TTL");
}

/// A load that belongs to its caller cannot be started for later.
#[tokio::test]
async fn a_hit_whose_load_cannot_run_by_itself_refreshes_nothing() {
    let it = Subject::new(|builder| builder.refresh_ahead(0.5));
    it.cache.insert(KEY, 1).await;
    it.clock.advance(31 * SECOND);
    assert_eq!(soon(it.loaded()).await, Ok(1));
    assert_eq!(it.source.reads(), 0);
}

// jitter, ttl_fn

#[tokio::test]
async fn entries_that_came_together_do_not_go_together() {
    for jitter in [Jitter::from(0.5), Jitter::from(30 * SECOND)] {
        let it = Subject::new(|builder| builder.jitter(jitter).max_size(10_000));
        for key in 0..1_000 {
            it.cache.insert(key, 1).await;
        }
        let mut left = vec![it.cache.len()];
        it.clock.advance(Duration::from_nanos(29_999_999_999));
        left.push(it.cache.len());
        for _ in 0..3 {
            it.clock.advance(10 * SECOND);
            left.push(it.cache.len());
        }
        it.clock.advance(Duration::from_nanos(1));
        assert_eq!(it.cache.len(), 0, "none is older than the TTL");
        assert_eq!(left[..2], [1_000, 1_000], "none goes before its time");
        // A third each time, and luck.
        assert!(
            (500..850).contains(&left[2]) && (200..500).contains(&left[3]),
            "{left:?}"
        );
    }
}

#[tokio::test]
async fn a_value_tells_its_ttl_and_zero_keeps_nothing() {
    let it = Subject::new(|builder| builder.ttl_fn(|seconds| Duration::from_secs(*seconds)));
    for key in [0, 1, 2] {
        assert_eq!(it.cache.get_or_load(key, || async move { key }).await, key);
    }
    let kept = |cache: &Cache<u64, u64>| [0, 1, 2].map(|key| cache.peek(&key).is_some());
    assert_eq!(kept(&it.cache), [false, true, true]);
    it.clock.advance(SECOND);
    assert_eq!(kept(&it.cache), [false, false, true]);
    it.cache.insert_with_ttl(2, 2, MINUTE).await;
    it.clock.advance(59 * SECOND);
    assert_eq!(kept(&it.cache), [false, false, true]);
    // What came to replace it is not kept, and so it is no better.
    it.cache.refresh(2, || async { 0 }).await;
    assert_eq!(it.cache.len(), 0);
}

// err_ttl

#[tokio::test]
async fn an_error_is_kept_for_its_time() {
    let it = Subject::new(|builder| builder.err_ttl(SECOND));
    let calls = AtomicU64::new(0);
    let call = || {
        it.cache.try_get_or_load(KEY, || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Err(Failed::Upstream)
        })
    };
    for _ in 0..3 {
        assert_eq!(call().await, Err(Failed::Upstream));
    }
    let stats = it.cache.stats();
    assert_eq!((calls.load(Ordering::Relaxed), stats.negative_hits), (1, 2));
    assert_eq!((stats.misses, stats.hits, stats.len), (1, 0, 0));
    it.clock.advance(SECOND);
    assert_eq!(call().await, Err(Failed::Upstream));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    // Another error type is of no use, and does not put the kept one out.
    assert_eq!(
        it.cache.try_get_or_load(KEY, || async { Err("another") }).await,
        Err("another")
    );
    assert_eq!(call().await, Err(Failed::Upstream));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    // Each of the six calls is one of these.
    let stats = it.cache.stats();
    assert_eq!((stats.misses, stats.negative_hits, stats.hits), (3, 3, 0));
}

/// Who has waited is counted already, as one that missed.
#[tokio::test]
async fn who_waits_and_then_finds_a_kept_error_is_counted_once() {
    let it = Subject::new(|builder| builder.err_ttl(MINUTE));
    let load = || it.cache.try_get_or_load(KEY, || async { Err(Failed::Upstream) });
    let mut leader = Box::pin(it.loaded());
    let [mut second, mut third] = [(); 2].map(|()| Box::pin(load()));
    assert!((&mut leader).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    drop(leader);
    assert_eq!(
        (second.await, third.await),
        (Err(Failed::Upstream), Err(Failed::Upstream))
    );
    let stats = it.cache.stats();
    assert_eq!((stats.misses, stats.negative_hits, stats.coalesced), (3, 0, 1));
}

#[tokio::test]
async fn a_value_puts_a_kept_error_out() {
    let it = Subject::new(|builder| builder.err_ttl(MINUTE));
    let fail = || it.cache.try_get_or_load(KEY, || async { Err(Failed::Upstream) });
    assert!(fail().await.is_err());
    it.cache.insert(KEY, 3).await;
    assert_eq!(fail().await, Ok(3));
    it.cache.invalidate(&KEY).await;
    assert!(fail().await.is_err());
    assert_eq!(it.cache.refresh(KEY, || async { 4 }).await, 4);
    assert_eq!(fail().await, Ok(4));
}

/// Neither a fresh value nor one that may be served stale is hidden by an error.
#[tokio::test]
async fn an_error_is_not_kept_in_front_of_a_value() {
    let it = Subject::new(|builder| builder.err_ttl(MINUTE).stale_if_error(MINUTE));
    it.cache.insert(KEY, 1).await;
    assert!(
        it.cache
            .try_refresh(KEY, || async { Err(Failed::Upstream) })
            .await
            .is_err()
    );
    assert_eq!(soon(it.loaded()).await, Ok(1));
    it.clock.advance(MINUTE);
    let fail = || it.cache.try_get_or_load(KEY, || async { Err(Failed::Upstream) });
    assert_eq!(fail().await, Ok(1));
    // The next try is not kept away by it, but by the time between tries.
    it.clock.advance(SECOND);
    assert_eq!(
        it.cache.try_get_or_load(KEY, || async { Ok::<_, Failed>(1) }).await,
        Ok(1)
    );
    assert_eq!(it.cache.stats().loads, 3);
    it.clock.advance(2 * MINUTE);
    assert_eq!(fail().await, Err(Failed::Upstream));
    it.clock.advance(SECOND);
    assert_eq!(
        it.cache.try_get_or_load(KEY, || async { Ok(2) }).await,
        Err(Failed::Upstream)
    );
}

#[tokio::test]
async fn kept_errors_are_bounded_and_are_reclaimed() {
    #[derive(Clone, Debug)]
    struct Counted(Arc<Token>);
    #[derive(Debug)]
    struct Token(Arc<AtomicU64>);
    impl Drop for Token {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let dropped = Arc::new(AtomicU64::new(0));
    let it = Subject::new(|builder| builder.err_ttl(MINUTE).max_size(64));
    for key in 0..1_000 {
        let error = Counted(Arc::new(Token(Arc::clone(&dropped))));
        let failed = it.cache.try_get_or_load(key, || async move { Err(error) }).await;
        assert!(failed.unwrap_err().0.0.load(Ordering::Relaxed) <= key);
    }
    // As many as there may be entries, but for how they fall on sixteen shards.
    let kept = 1_000 - dropped.load(Ordering::Relaxed);
    assert!((32..=64).contains(&kept), "{kept}");
    it.clock.advance(MINUTE);
    assert_eq!(it.cache.len(), 0);
    assert_eq!(dropped.load(Ordering::Relaxed), 1_000);
}

/// The reaper drops what nobody asks for again.
#[test]
fn kept_errors_go_without_being_asked_for() {
    let cache = Cache::<u64, u64>::builder().err_ttl(Duration::from_millis(1)).build();
    let token = Arc::new(());
    let error = Arc::clone(&token);
    let failed = futures::executor::block_on(cache.try_get_or_load(KEY, || async move { Err(error) }));
    drop(failed);
    support::wait_until(|| Arc::strong_count(&token) == 1);
}

// soft_timeout, load_timeout

#[tokio::test(start_paused = true)]
async fn a_caller_with_an_old_value_waits_only_so_long() {
    let set_up = |builder: Builder<_, _>| {
        builder
            .stale_if_error(5 * MINUTE)
            .soft_timeout(Duration::from_millis(50))
    };
    let it = Subject::stale(set_up).await;
    let callers = [it.start(), it.start()];
    let read = it.source.started().await;
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), Ok(1));
    }
    assert_eq!((it.cache.stats().timeouts, it.cache.stats().stale), (2, 2));
    // The load goes on.
    read.go_on();
    it.value_becomes(2).await;
    assert_eq!(it.source.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_old_value_the_soft_timeout_is_of_no_concern() {
    let set_up = |builder: Builder<_, _>| {
        builder
            .stale_if_error(5 * MINUTE)
            .soft_timeout(Duration::from_millis(50))
    };
    let it = Subject::new(set_up);
    let caller = it.start();
    let read = it.source.started().await;
    tokio::time::sleep(SECOND).await;
    read.go_on();
    assert_eq!(soon(caller).await.unwrap(), Ok(1));
    assert_eq!(it.cache.stats().timeouts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_only_so_long_for_a_load() {
    let it = Subject::new(|builder| builder.load_timeout(2 * SECOND));
    let callers = [it.start(), it.start()];
    let read = it.source.started().await;
    for caller in callers {
        let Err(Failed::Slow(timeout)) = soon(caller).await.unwrap() else {
            panic!("not in time");
        };
        assert_eq!((timeout.cache(), timeout.after()), (it.cache.name(), 2 * SECOND));
        let told = format!("cache `{}`: no value within 2s; the load goes on", it.cache.name());
        assert_eq!(timeout.to_string(), told);
    }
    assert_eq!(it.cache.stats().timeouts, 2);
    read.go_on();
    it.value_becomes(1).await;
    assert_eq!(it.spawned().await, Ok(1));
    assert_eq!(it.source.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_better_than_no_value_in_time() {
    let it = Subject::stale(|builder| builder.load_timeout(2 * SECOND).stale_if_error(MINUTE)).await;
    let caller = it.start();
    let _read = it.source.started().await;
    assert_eq!(soon(caller).await.unwrap(), Ok(1));
}

// detached

#[tokio::test(flavor = "multi_thread")]
async fn a_load_survives_its_caller() {
    let it = Subject::new(|builder| builder);
    {
        let mut caller = Box::pin(it.spawned());
        assert!((&mut caller).now_or_never().is_none());
    }
    let waiter = it.start();
    it.source.started().await.go_on();
    assert_eq!(soon(waiter).await.unwrap(), Ok(1));
    assert_eq!(it.source.reads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_polling_harms_nobody() {
    let it = Subject::new(|builder| builder);
    let mut caller = Box::pin(it.spawned());
    assert!((&mut caller).now_or_never().is_none());
    it.source.started().await.go_on();
    // Not polled any more, and not dropped either.
    assert_eq!(soon(it.start()).await.unwrap(), Ok(1));
    drop(caller);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_travels_along() {
    let it = Subject::stale(|builder| builder.stale_while_revalidate(MINUTE)).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    for key in [KEY, KEY + 1] {
        let seen = Arc::clone(&seen);
        let load = move || async move {
            seen.lock().unwrap().push(session::current());
            2
        };
        session::scope("a7", it.cache.get_or_spawn(key, load)).await;
    }
    it.value_becomes(2).await;
    assert_eq!(*seen.lock().unwrap(), vec![Some("a7".into()); 2]);
}

#[tokio::test]
async fn the_span_travels_along() {
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    let it = Subject::stale(|builder| builder.stale_while_revalidate(MINUTE)).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    for key in [KEY, KEY + 1] {
        let seen = Arc::clone(&seen);
        let load = move || async move {
            let span = tracing::Span::current();
            seen.lock().unwrap().push(span.metadata().map(tracing::Metadata::name));
            2
        };
        let request = tracing::info_span!("request");
        tracing::Instrument::instrument(it.cache.get_or_spawn(key, load), request).await;
    }
    it.value_becomes(2).await;
    assert_eq!(*seen.lock().unwrap(), [Some("request"); 2]);
}

#[test]
fn a_load_runs_without_a_runtime() {
    let it = Subject::new(|builder| builder.stale_while_revalidate(MINUTE).load_timeout(MINUTE));
    let load = |value| move || async move { Ok::<_, Failed>(value) };
    let loaded = futures::executor::block_on(it.cache.try_get_or_spawn(KEY, load(1)));
    assert_eq!(loaded, Ok(1));
    it.clock.advance(MINUTE);
    let stale = futures::executor::block_on(it.cache.try_get_or_spawn(KEY, load(2)));
    assert_eq!(stale, Ok(1));
    support::wait_until(|| it.cache.peek(&KEY) == Some(2));
    // And its timers do too.
    let short = Cache::<u64, u64>::builder()
        .load_timeout(Duration::from_millis(1))
        .build();
    let never = futures::executor::block_on(short.try_get_or_spawn(KEY, std::future::pending::<Result<_, Failed>>));
    assert!(matches!(never, Err(Failed::Slow(_))));
}

/// Neither a load nor a refresh nor a timer minds, and what was loading is taken over by who comes next.
#[test]
fn at_the_shutdown_of_a_runtime_nothing_panics() {
    let it = Subject::new(|builder| builder.stale_while_revalidate(MINUTE).load_timeout(MINUTE));
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    first.block_on(async {
        it.cache.insert(KEY + 1, 1).await;
        it.clock.advance(MINUTE);
        drop(it.start());
        it.cache.get_or_spawn(KEY + 1, std::future::pending).await;
        drop(it.source.started().await);
    });
    first.shutdown_background();
    runtime().block_on(async {
        let caller = it.start();
        it.source.started().await.go_on();
        assert_eq!(soon(caller).await.unwrap(), Ok(1));
        let brought = || it.cache.get_or_spawn(KEY + 1, || async { 5 });
        soon(async { while brought().await != 5 {} }).await;
    });
}

/// A load that asks for its own key through tasks of ours is found out as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_detached_load_that_waits_for_itself_says_so() {
    let cache = Cache::<u64, u64>::builder().build();
    let ask = |cache: Cache<u64, u64>, from: u64, to: u64| async move {
        let again = cache.clone();
        let inner = move || async move {
            let last = again.clone();
            again
                .get_or_spawn(to, move || async move { last.get_or_spawn(from, || async { 0 }).await })
                .await
        };
        cache.get_or_spawn(from, inner).await
    };
    let caller = tokio::spawn(ask(cache, 1, 2));
    let panic = soon(caller).await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("would wait for itself"), "{message}");
}

/// Names of counters that a display shows only when they mean something.
#[tokio::test]
async fn what_happened_is_told() {
    let it = Subject::stale(|builder| builder.stale_if_error(MINUTE)).await;
    let shown = |cache: &Cache<u64, u64>| {
        let text = cache.stats().to_string();
        text.split(", ").map(str::to_owned).collect::<HashSet<_>>()
    };
    assert!(!shown(&it.cache).iter().any(|part| part.starts_with("stale")));
    let _ = it.cache.try_get_or_load(KEY, || async { Err(Failed::Upstream) }).await;
    assert!(shown(&it.cache).contains("stale 1"));
}
