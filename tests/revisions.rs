//! Values that live as long as the revision of their data: what a call reads, what it is given, and what is loaded.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::revision::{During, Lookup, OnChange, Revised, RevisionSource, Status};
use cache_core::{Cache, Clock, Policy};
use futures::FutureExt as _;
use support::{Fate, Source, soon, until};
use tokio::sync::oneshot;

const KEY: u64 = 7;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const MAX_STALE: Duration = Duration::from_secs(300);
const ALMOST: Duration = Duration::from_secs(299);

/// A cache, the data, and its revision.
#[derive(Clone)]
struct Subject {
    cache: Cache<u64, Revised<u64>>,
    clock: Clock,
    data: Arc<Source>,
    revision: Arc<AtomicU64>,
}

fn subject(on_change: OnChange) -> Subject {
    let clock = Clock::manual();
    Subject {
        cache: Cache::builder()
            .on_change(on_change)
            .max_stale(MAX_STALE)
            .clock(clock.clone())
            .build(),
        clock,
        data: Arc::new(Source::new(1)),
        revision: Arc::new(AtomicU64::new(1)),
    }
}

impl Subject {
    /// Data and revision change together.
    fn change(&self, to: u64) {
        self.data.set(to);
        self.revision.store(to, SeqCst);
    }

    async fn revision(&self) -> Result<u64, &'static str> {
        Ok(self.revision.load(SeqCst))
    }

    async fn get(self) -> Result<Lookup<u64>, &'static str> {
        let (cache, data) = (self.cache.clone(), Arc::clone(&self.data));
        cache
            .try_spawn_at_revision(KEY, self.revision(), || async move { data.try_read().await })
            .await
    }

    /// By a load that belongs to its caller.
    async fn get_here(self) -> Result<Lookup<u64>, &'static str> {
        self.cache
            .try_get_at_revision(KEY, self.revision(), || self.data.try_read())
            .await
    }

    async fn get_without_source(self) -> Result<Lookup<u64>, &'static str> {
        let data = Arc::clone(&self.data);
        let revision = async { Err::<u64, _>("no route to host") };
        self.cache
            .try_spawn_at_revision(KEY, revision, || async move { data.try_read().await })
            .await
    }

    /// Loads what is there now.
    async fn fill(&self) -> Lookup<u64> {
        let filling = tokio::spawn(self.clone().get());
        self.data.started().await.go_on();
        soon(filling).await.unwrap().unwrap()
    }

    /// Waits until the background has brought this.
    async fn brought(&self, value: u64) {
        until(|| self.cache.peek(&KEY).is_some_and(|kept| *kept.value() == value)).await;
    }
}

fn what(found: &Lookup<u64>) -> (u64, Status) {
    (found.value, found.status)
}

#[tokio::test]
async fn the_same_revision_gives_the_value_whatever_its_age() {
    for on_change in [OnChange::Reload, OnChange::Stale] {
        let it = subject(on_change);
        assert_eq!(what(&it.fill().await), (1, Status::Miss));
        it.clock.advance(1_000 * HOUR);
        let found = it.clone().get().await.unwrap();
        assert_eq!(what(&found), (1, Status::HitRevision));
        assert_eq!(found.age, 1_000 * HOUR);
        assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&1));
        assert_eq!((it.data.reads(), it.cache.stats().hits), (1, 1));
    }
}

/// If it were read afterwards, data of before would be kept under the revision of after.
#[tokio::test]
async fn a_change_during_a_load_is_not_missed() {
    let it = subject(OnChange::Reload);
    let old = tokio::spawn(it.clone().get());
    let read = it.data.started().await;
    it.change(2);
    read.go_on();
    let found = soon(old).await.unwrap().unwrap();
    assert_eq!(found.value, 1);
    assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&1));

    assert_eq!(what(&it.fill().await), (2, Status::Reloaded));
}

#[tokio::test]
async fn the_revision_is_read_to_its_end_before_anything_is_loaded() {
    let it = subject(OnChange::Reload);
    let (tell, told) = oneshot::channel();
    let reading = async { told.await.unwrap() };
    let mut call = Box::pin(it.cache.get_at_revision(KEY, reading, || it.data.read()));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(it.data.reads(), 0);
    tell.send(1_u64).unwrap();
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(it.data.reads(), 1);
    it.data.started().await.go_on();
    assert_eq!(soon(call).await.value, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_reloaded_once_for_all_callers() {
    let it = subject(OnChange::Reload);
    it.fill().await;
    it.change(2);
    let callers: Vec<_> = (0..20).map(|_| tokio::spawn(it.clone().get())).collect();
    let read = it.data.started().await;
    until(|| it.cache.stats().misses == 21).await;
    read.go_on();
    for caller in callers {
        assert_eq!(what(&soon(caller).await.unwrap().unwrap()), (2, Status::Reloaded));
    }
    assert_eq!(it.data.reads(), 2);
    assert_eq!(it.cache.stats().coalesced, 19);
}

/// The load under way began before the change: who has read the revision of after must not be given what it brings.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_too_old_for_a_caller_is_followed_by_one_for_all_of_them() {
    let it = subject(OnChange::Reload);
    let first = tokio::spawn(it.clone().get());
    let old_read = it.data.started().await;
    it.change(2);
    let later: Vec<_> = (0..10).map(|_| tokio::spawn(it.clone().get())).collect();
    until(|| it.cache.stats().misses == 11).await;
    // They wait, and do not each load by themselves.
    assert!(!it.data.has_started().await);
    old_read.go_on();
    assert_eq!(soon(first).await.unwrap().unwrap().value, 1);
    it.data.started().await.go_on();
    for caller in later {
        assert_eq!(soon(caller).await.unwrap().unwrap().value, 2);
    }
    assert_eq!(it.data.reads(), 2);
    assert_eq!(it.clone().get().await.unwrap().status, Status::HitRevision);
}

/// What was missing may be there by now: a failure can be as old as a value.
#[tokio::test(flavor = "multi_thread")]
async fn the_failure_of_a_load_that_is_too_old_for_a_caller_is_not_his() {
    let it = subject(OnChange::Reload);
    let first = tokio::spawn(it.clone().get());
    let old_read = it.data.started().await;
    it.change(2);
    let later: Vec<_> = (0..10).map(|_| tokio::spawn(it.clone().get())).collect();
    until(|| it.cache.stats().misses == 11).await;
    old_read.end(Fate::Fail);
    assert_eq!(soon(first).await.unwrap().unwrap_err(), "failed");
    it.data.started().await.go_on();
    for caller in later {
        assert_eq!(soon(caller).await.unwrap().unwrap().value, 2);
    }
    assert_eq!(it.data.reads(), 2);
}

/// The next load began after they had all read: its failure is that of each.
#[tokio::test(flavor = "multi_thread")]
async fn callers_share_the_failure_of_a_load_that_began_after_they_had_read() {
    let it = subject(OnChange::Reload);
    let first = tokio::spawn(it.clone().get());
    let old_read = it.data.started().await;
    let later: Vec<_> = (0..10).map(|_| tokio::spawn(it.clone().get())).collect();
    until(|| it.cache.stats().misses == 11).await;
    old_read.end(Fate::Fail);
    soon(first).await.unwrap().unwrap_err();
    it.data.started().await.end(Fate::Fail);
    for caller in later {
        assert_eq!(soon(caller).await.unwrap().unwrap_err(), "failed");
    }
    assert_eq!(it.data.reads(), 2);
}

/// They have read different revisions, and one load began after all of them had: it is good for each.
#[tokio::test(flavor = "multi_thread")]
async fn callers_of_different_revisions_share_a_load_that_began_after_they_had_read() {
    let it = subject(OnChange::Reload);
    let first = tokio::spawn(it.clone().get());
    let old_read = it.data.started().await;
    let mut later = Vec::new();
    for change in 2..12 {
        it.change(change);
        later.push(tokio::spawn(it.clone().get()));
        until(|| it.cache.stats().misses == change).await;
    }
    old_read.go_on();
    soon(first).await.unwrap().unwrap();
    it.data.started().await.go_on();
    for caller in later {
        assert_eq!(soon(caller).await.unwrap().unwrap().value, 11);
    }
    assert_eq!(it.data.reads(), 2);
}

/// Revisions have no order. That a value is newer than what a slow call has read is known by when its load began.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_takes_a_newer_value_and_does_not_replace_it() {
    let it = subject(OnChange::Reload);
    it.fill().await;
    // It has read revision 1, and looks when all is over.
    let slow = it
        .cache
        .get_at_revision(KEY, async { 1_u64 }, || async { unreachable!("it is there") });
    it.change(2);
    // Before the load of 2 begins, the slow call has read, but not looked: this is that moment, seen from inside.
    let mut slow = Box::pin(slow);
    let racing = it.cache.get_at_revision(
        KEY,
        async {
            let other = it.clone();
            let filled = async move { other.fill().await };
            assert_eq!(soon(filled).await.value, 2);
            1_u64
        },
        || it.data.read(),
    );
    // A read that *ended* after the load of 2 began may be of any time before, so that it loads again.
    let reading = async { it.data.started().await.go_on() };
    let (raced, ()) = soon(Box::pin(async { tokio::join!(racing, reading) })).await;
    assert_eq!(what(&raced), (2, Status::Reloaded));
    // It is kept under the older revision, which costs a load and serves nothing that is older.
    assert_eq!(soon(&mut slow).await.value, 2);
    assert_eq!(what(&it.fill().await), (2, Status::Reloaded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_serves_the_old_value_and_is_refreshed_once() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    for _ in 0..50 {
        let found = soon(it.clone().get()).await.unwrap();
        assert_eq!(what(&found), (1, Status::Stale));
        assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&1));
    }
    it.data.started().await.go_on();
    it.brought(2).await;
    assert_eq!(what(&it.clone().get().await.unwrap()), (2, Status::HitRevision));
    let stats = it.cache.stats();
    assert_eq!((stats.refreshes, stats.stale, stats.loads), (1, 50, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_start_one_refresh() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    let callers: Vec<_> = (0..50).map(|_| tokio::spawn(it.clone().get())).collect();
    for caller in callers {
        assert_eq!(what(&soon(caller).await.unwrap().unwrap()), (1, Status::Stale));
    }
    it.data.started().await.go_on();
    it.brought(2).await;
    assert_eq!(it.data.reads(), 2);
}

#[tokio::test]
async fn what_has_been_outdated_for_too_long_is_waited_for() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    it.clock.advance(ALMOST);
    assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
    let refresh = it.data.started().await;
    it.clock.advance(SECOND);
    // It shares the refresh, which was made for the same revision.
    let mut waiting = Box::pin(it.clone().get());
    assert!((&mut waiting).now_or_never().is_none());
    refresh.go_on();
    assert_eq!(what(&soon(waiting).await.unwrap()), (2, Status::Reloaded));
    assert_eq!(it.data.reads(), 2);
}

/// An old value that was up to date a second ago has been outdated for a second at most.
#[tokio::test]
async fn max_stale_counts_from_when_a_value_was_last_known_to_be_up_to_date() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.clock.advance(HOUR);
    assert_eq!(it.clone().get().await.unwrap().status, Status::HitRevision);
    it.change(2);
    it.clock.advance(ALMOST);
    assert_eq!(what(&it.clone().get().await.unwrap()), (1, Status::Stale));
    it.data.started().await.end(Fate::Fail);
    it.clock.advance(SECOND);
    assert_eq!(what(&it.fill().await), (2, Status::Reloaded));
}

/// However short `max_stale` is.
#[tokio::test]
async fn a_hit_confirms_a_value() {
    for max_stale in [MAX_STALE, Duration::from_millis(64)] {
        let clock = Clock::manual();
        let cache = Cache::<u64, Revised<u64>>::builder()
            .on_change(OnChange::Stale)
            .max_stale(max_stale)
            .clock(clock.clone())
            .build();
        let status = async |revision: u64| {
            let found = cache.spawn_at_revision(KEY, async move { revision }, std::future::pending);
            soon(found).await.status
        };
        cache.get_at_revision(KEY, async { 1_u64 }, || async { 1 }).await;
        clock.advance(max_stale * 2 / 3);
        assert_eq!(status(1).await, Status::HitRevision);
        clock.advance(max_stale * 2 / 3);
        assert_eq!(status(2).await, Status::Stale);
    }
}

/// It was up to date when the revision was asked for, and nobody knows about the time until the answer came.
#[tokio::test]
async fn a_slow_answer_confirms_the_time_of_the_question() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    let slow = async {
        it.clock.advance(MAX_STALE);
        1_u64
    };
    let found = it
        .cache
        .get_at_revision(KEY, slow, || async { unreachable!("a hit") })
        .await;
    assert_eq!(found.status, Status::HitRevision);
    it.change(2);
    assert_eq!(what(&it.fill().await), (2, Status::Reloaded));
}

#[tokio::test]
async fn a_failed_refresh_is_told_and_tried_again_later() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
    it.data.started().await.end(Fate::Fail);
    until(|| it.cache.last_error().is_some()).await;
    let error = it.cache.last_error().unwrap();
    assert_eq!(error.to_string(), "the refresh in the background failed: failed");
    assert_eq!(error.downcast_ref::<&'static str>(), Some(&"failed"));
    until(|| it.cache.stats().load_failures == 1).await;

    // Not at once, by whoever comes next.
    assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
    assert_eq!(it.cache.stats().refreshes, 1);
    it.clock.advance(SECOND);
    assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
    it.data.started().await.go_on();
    it.brought(2).await;
    assert!(it.cache.last_error().is_none());
}

/// It would be told for ever, of a key that nobody asks for again.
#[tokio::test]
async fn a_failure_is_forgotten_with_the_value_that_was_served_in_spite_of_it() {
    for is_of_source in [true, false] {
        let it = subject(OnChange::Stale);
        it.fill().await;
        it.change(2);
        if is_of_source {
            assert_eq!(
                it.clone().get_without_source().await.unwrap().status,
                Status::Unverified
            );
        } else {
            assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
            it.data.started().await.end(Fate::Fail);
            until(|| it.cache.stats().load_failures == 1).await;
        }
        assert!(it.cache.last_error().is_some());
        it.cache.invalidate(&KEY).await;
        until(|| it.cache.last_error().is_none()).await;
    }
}

#[tokio::test]
async fn a_panic_in_the_background_is_told() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
    it.data.started().await.end(Fate::Panic);
    until(|| it.cache.last_error().is_some()).await;
    let error = it.cache.last_error().unwrap();
    assert_eq!(
        (error.during(), &*error.to_string()),
        (During::Refresh, "the refresh in the background failed: it panicked")
    );
    assert_eq!(what(&it.clone().get().await.unwrap()), (1, Status::Stale));
}

#[tokio::test]
async fn a_failed_reload_is_its_callers_and_no_old_value_hides_it() {
    let it = subject(OnChange::Reload);
    it.fill().await;
    it.change(2);
    let call = tokio::spawn(it.clone().get());
    it.data.started().await.end(Fate::Fail);
    assert_eq!(soon(call).await.unwrap().unwrap_err(), "failed");
    assert!(it.cache.last_error().is_none(), "its caller has been told");
    assert_eq!(what(&it.fill().await), (2, Status::Reloaded));
}

#[tokio::test]
async fn a_source_that_fails_serves_the_value_at_hand_for_max_stale() {
    for on_change in [OnChange::Reload, OnChange::Stale] {
        let it = subject(on_change);
        it.fill().await;
        it.change(2);
        it.clock.advance(ALMOST);
        assert_eq!(
            what(&it.clone().get_without_source().await.unwrap()),
            (1, Status::Unverified)
        );
        let error = it.cache.last_error().unwrap();
        assert_eq!(
            (error.during(), &*error.to_string()),
            (During::Revision, "reading the revision failed: no route to host")
        );
        assert_eq!((it.data.reads(), it.cache.stats().stale), (1, 1));

        // Then a new one is loaded, which serves for as long, so that there is not a load for each call.
        it.clock.advance(SECOND);
        let call = tokio::spawn(it.clone().get_without_source());
        it.data.started().await.go_on();
        let found = soon(call).await.unwrap().unwrap();
        assert_eq!((what(&found), &found.revision), ((2, Status::Reloaded), &None));
        assert_eq!(
            what(&it.clone().get_without_source().await.unwrap()),
            (2, Status::Unverified)
        );

        // And is replaced as soon as there is a revision, under which it was not loaded.
        if on_change == OnChange::Stale {
            assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
            it.data.started().await.go_on();
            until(|| it.cache.peek(&KEY).is_some_and(|kept| kept.revision().is_some())).await;
        } else {
            assert_eq!(what(&it.fill().await), (2, Status::Reloaded));
        }
        assert!(it.cache.last_error().is_none());
    }
}

#[tokio::test]
async fn without_source_and_value_a_call_loads() {
    let it = subject(OnChange::Reload);
    let call = tokio::spawn(it.clone().get_without_source());
    it.data.started().await.go_on();
    assert_eq!(what(&soon(call).await.unwrap().unwrap()), (1, Status::Miss));
}

/// The callers of a source that is down share loads like any others.
#[tokio::test(flavor = "multi_thread")]
async fn without_source_callers_share_a_load() {
    let it = subject(OnChange::Reload);
    let callers: Vec<_> = (0..10).map(|_| tokio::spawn(it.clone().get_without_source())).collect();
    let read = it.data.started().await;
    until(|| it.cache.stats().misses == 10).await;
    read.go_on();
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap().unwrap().value, 1);
    }
    assert_eq!(it.data.reads(), 1);
}

/// A load that its caller runs cannot go on behind him: he waits, and nobody else does.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_ones_own_is_waited_for_by_one_caller() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    let bringing = tokio::spawn(it.clone().get_here());
    let read = it.data.started().await;
    for _ in 0..5 {
        assert_eq!(what(&soon(it.clone().get_here()).await.unwrap()), (1, Status::Stale));
    }
    read.go_on();
    assert_eq!(what(&soon(bringing).await.unwrap().unwrap()), (2, Status::Reloaded));
    assert_eq!(it.data.reads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_takes_over_from_one_that_is_dropped() {
    let it = subject(OnChange::Reload);
    it.fill().await;
    it.change(2);
    let mut leading = Box::pin(it.clone().get_here());
    assert!((&mut leading).now_or_never().is_none());
    drop(it.data.started().await);
    let waiting = tokio::spawn(it.clone().get_here());
    until(|| it.cache.stats().misses == 3).await;
    drop(leading);
    it.data.started().await.go_on();
    assert_eq!(what(&soon(waiting).await.unwrap().unwrap()), (2, Status::Reloaded));
}

/// P4: nobody who has his value waits for somebody who has not.
#[tokio::test(flavor = "multi_thread")]
async fn a_hit_does_not_wait_for_the_reload_of_another_revision() {
    let it = subject(OnChange::Reload);
    it.fill().await;
    it.change(2);
    let reloading = tokio::spawn(it.clone().get());
    let read = it.data.started().await;
    // One who has read before the change is served.
    let found = soon(
        it.cache
            .get_at_revision(KEY, async { 1_u64 }, || async { unreachable!() }),
    )
    .await;
    assert_eq!(what(&found), (1, Status::HitRevision));
    read.go_on();
    soon(reloading).await.unwrap().unwrap();
}

#[tokio::test]
async fn keys_have_revisions_of_their_own() {
    let cache = Cache::<u64, Revised<u64>>::builder().build();
    for (key, revision, value) in [(1, "a", 10), (2, "b", 20), (1, "a", 11), (2, "c", 21)] {
        cache
            .get_at_revision(key, async move { revision }, || async move { value })
            .await;
    }
    assert_eq!(
        (*cache.peek(&1).unwrap().value(), *cache.peek(&2).unwrap().value()),
        (10, 21)
    );
}

#[tokio::test]
async fn revisions_of_two_types_differ() {
    let cache = Cache::<(), Revised<u64>>::builder().build();
    cache.get_at_revision((), async { 1_u32 }, || async { 1 }).await;
    assert_eq!(
        cache.get_at_revision((), async { 1_u64 }, || async { 2 }).await.value,
        2
    );
}

#[tokio::test]
async fn other_bounds_hold_beside_the_revision() {
    let clock = Clock::manual();
    let cache = Cache::<u64, Revised<u64>>::builder()
        .ttl(SECOND)
        .clock(clock.clone())
        .build();
    let get = |value| cache.get_at_revision(KEY, async { 1_u64 }, move || async move { value });
    assert_eq!(get(1).await.value, 1);
    clock.advance(SECOND);
    assert_eq!(what(&get(2).await), (2, Status::Miss));

    let nothing = Cache::<u64, Revised<u64>>::builder().max_size(0).build();
    for value in 0..3 {
        assert_eq!(
            nothing
                .get_at_revision(KEY, async { 1_u64 }, move || async move { value })
                .await
                .value,
            value
        );
    }
    let tiny = Cache::<u64, Revised<u64>>::builder()
        .policy(Policy::TinyLfu)
        .on_change(OnChange::Stale)
        .build();
    tiny.get_at_revision(KEY, async { 1_u64 }, || async { 1 }).await;
    assert_eq!(
        tiny.get_at_revision(KEY, async { 1_u64 }, || async { 2 }).await.status,
        Status::HitRevision
    );
    let found = tiny.spawn_at_revision(KEY, async { 2_u64 }, || async { 2 }).await;
    assert_eq!(what(&found), (1, Status::Stale));
    until(|| tiny.peek(&KEY).is_some_and(|kept| *kept.value() == 2)).await;
}

/// What is claimed is let go again, whatever becomes of the load.
#[tokio::test]
async fn a_refresh_that_is_lost_with_its_runtime_is_made_by_somebody_else() {
    let it = subject(OnChange::Stale);
    it.fill().await;
    it.change(2);
    let other = it.clone();
    let gone = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(other.get()).unwrap();
        assert_eq!(found.status, Status::Stale);
    });
    gone.join().unwrap();
    assert_eq!(it.clone().get().await.unwrap().status, Status::Stale);
    // The first read may have begun in the runtime that is gone.
    loop {
        let read = it.data.started().await;
        read.go_on();
        if !it.data.has_started().await {
            break;
        }
    }
    it.brought(2).await;
}

/// The latest failures of so many keys are remembered, and no more.
#[tokio::test]
async fn failures_are_bounded() {
    let cache = Cache::<u64, Revised<u64>>::builder().build();
    let fail = |key| {
        let revision = async move { Err::<u64, _>(format!("no {key}")) };
        cache.try_get_at_revision(key, revision, || async { Ok::<_, String>(1) })
    };
    for key in 0..100 {
        fail(key).await.unwrap();
    }
    assert_eq!(
        cache.last_error().unwrap().to_string(),
        "reading the revision failed: no 99"
    );
    for key in (0..100).rev() {
        let told = async { Ok::<_, String>(1_u64) };
        cache
            .try_get_at_revision(key, told, || async { Ok::<_, String>(1) })
            .await
            .unwrap();
        let left = cache.last_error().map(|error| error.to_string());
        let expected = (key > 36).then(|| format!("reading the revision failed: no {}", key - 1));
        assert_eq!(left, expected, "{key}");
    }
}

/// One key that fails again and again does not push out what is known of others.
#[tokio::test]
async fn of_each_key_the_latest_failure_is_remembered() {
    let cache = Cache::<u64, Revised<u64>>::builder().build();
    let call = |key, revision| cache.try_get_at_revision(key, async move { revision }, || async { Ok::<_, String>(1) });
    call(1, Err("one")).await.unwrap();
    for _ in 0..100 {
        call(2, Err("two")).await.unwrap();
    }
    call(2, Ok(1_u64)).await.unwrap();
    assert_eq!(
        cache.last_error().unwrap().to_string(),
        "reading the revision failed: one"
    );
}

#[tokio::test]
async fn the_reasons_behind_an_error_of_the_source_are_told() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the pool is empty")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let cache = Cache::<u64, Revised<u64>>::builder().build();
    let revision = async { Err::<u64, _>(Outer(std::io::Error::other("connection refused"))) };
    cache
        .try_get_at_revision(KEY, revision, || async { Ok::<_, String>(1) })
        .await
        .unwrap();
    let error = cache.last_error().unwrap();
    assert_eq!(
        error.to_string(),
        "reading the revision failed: the pool is empty: connection refused"
    );
}

/// `SQLite` tells when another connection has changed the file.
#[tokio::test]
async fn sqlite_is_a_source() {
    use sqlx::{Connection as _, SqliteConnection};

    struct DataVersion(tokio::sync::Mutex<SqliteConnection>);

    impl RevisionSource for DataVersion {
        type Revision = i64;
        type Error = sqlx::Error;

        async fn revision(&self) -> Result<i64, sqlx::Error> {
            let mut connection = self.0.lock().await;
            sqlx::query_scalar("PRAGMA data_version")
                .fetch_one(&mut *connection)
                .await
        }
    }

    let path = std::env::temp_dir().join(format!("cache-core-revision-{}.db", std::process::id()));
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let source = DataVersion(SqliteConnection::connect(&url).await.unwrap().into());
    let mut writer = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE IF NOT EXISTS t (n INT)")
        .execute(&mut writer)
        .await
        .unwrap();

    let cache = Cache::<(), Revised<u64>>::builder().build();
    let get = |value| cache.try_get_at_revision((), source.revision(), move || async move { Ok::<_, String>(value) });
    assert_eq!(get(1).await.unwrap().value, 1);
    assert_eq!(get(2).await.unwrap().value, 1);
    sqlx::query("INSERT INTO t VALUES (1)")
        .execute(&mut writer)
        .await
        .unwrap();
    assert_eq!(what(&get(3).await.unwrap()), (3, Status::Reloaded));
    drop(writer);
    let _ = std::fs::remove_file(path);
}
