//! Batches: keys that are asked for within a window go into one call, and each is a load like any other.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::type_complexity,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Batched, Builder, Cache, Clock, LoadTimeout, session};
use futures::FutureExt as _;
use futures::future::join_all;
use proptest::prelude::*;
use support::{soon, until};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// A window that no test waits for.
const LONG: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug, PartialEq)]
enum Failed {
    Upstream(&'static str),
    Slow,
}

impl From<LoadTimeout> for Failed {
    fn from(_: LoadTimeout) -> Self {
        Self::Slow
    }
}

type Found = Result<Option<u64>, Failed>;

/// A call of the body, which goes on when it is answered.
struct Call {
    keys: Vec<u64>,
    session: Option<session::SessionId>,
    answer: oneshot::Sender<Answer>,
}

enum Answer {
    Values(Vec<(u64, u64)>),
    Fail(&'static str),
    Panic,
}

impl Call {
    /// Ten times the key, for each.
    fn answer(self) {
        let values = self.keys.iter().map(|key| (*key, key * 10)).collect();
        self.end(Answer::Values(values));
    }

    fn end(self, answer: Answer) {
        // Whoever ran it may be gone, which is the point of some tests.
        let _ = self.answer.send(answer);
    }

    fn sorted(&self) -> Vec<u64> {
        let mut keys = self.keys.clone();
        keys.sort_unstable();
        keys
    }
}

/// A cache, batches that load it, and the calls of their body.
#[derive(Clone)]
struct Table {
    cache: Cache<u64, u64>,
    clock: Clock,
    batched: Batched<u64, u64, Failed>,
    calls: Arc<Mutex<mpsc::UnboundedReceiver<Call>>>,
}

impl Table {
    fn new(window: Duration, max_batch: usize) -> Self {
        Self::with(window, max_batch, |builder| builder)
    }

    fn with(window: Duration, max_batch: usize, set_up: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>) -> Self {
        let clock = Clock::manual();
        let cache = set_up(Cache::builder().name("table").ttl(MINUTE).clock(clock.clone())).build();
        let (started, calls) = mpsc::unbounded_channel();
        let batched = cache.batched(window, max_batch, move |keys| {
            let started = started.clone();
            async move {
                let (answer, told) = oneshot::channel();
                let session = session::current();
                started.send(Call { keys, session, answer }).unwrap();
                match told.await.expect("a call is told how to end") {
                    Answer::Values(values) => Ok(values),
                    Answer::Fail(why) => Err(Failed::Upstream(why)),
                    Answer::Panic => panic!("told to panic"),
                }
            }
        });
        Self {
            cache,
            clock,
            batched,
            calls: Arc::new(Mutex::new(calls)),
        }
    }

    fn ask(&self, key: u64) -> JoinHandle<Found> {
        let batched = self.batched.clone();
        tokio::spawn(async move { batched.get(key).await })
    }

    /// Asks, and is sure to have done so.
    async fn asked(&self, key: u64) -> JoinHandle<Found> {
        let before = self.cache.stats();
        let asking = self.ask(key);
        until(|| {
            let now = self.cache.stats();
            now.misses > before.misses || now.hits > before.hits
        })
        .await;
        asking
    }

    async fn called(&self) -> Call {
        soon(self.calls.lock().await.recv()).await.expect("the body lives")
    }

    async fn is_called(&self) -> bool {
        !self.calls.lock().await.is_empty()
    }
}

async fn value(asking: JoinHandle<Found>) -> Found {
    soon(asking).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_tasks_go_into_one_call() {
    let it = Table::new(LONG, 10);
    let asking: Vec<_> = (0..10).map(|key| it.ask(key)).collect();
    let call = it.called().await;
    assert_eq!(call.sorted(), (0..10).collect::<Vec<_>>());
    call.answer();
    for (key, asking) in (0..).zip(asking) {
        assert_eq!(value(asking).await, Ok(Some(key * 10)));
        assert_eq!(it.cache.peek(&key), Some(key * 10), "it is kept");
    }
    let stats = it.cache.stats();
    assert_eq!(
        (stats.batches, stats.loads, stats.misses, stats.coalesced),
        (1, 10, 10, 0),
        "{stats}"
    );
}

/// The window is a time from the first key on, and not from the last.
#[tokio::test(start_paused = true)]
async fn the_window_begins_with_the_first_key() {
    let millis = Duration::from_millis;
    let it = Table::new(millis(5), 100);
    let mut asking = vec![it.asked(0).await];
    for key in 1..=2 {
        tokio::time::advance(millis(2)).await;
        tokio::task::yield_now().await;
        asking.push(it.asked(key).await);
    }
    assert!(!it.is_called().await, "after 4 ms");
    tokio::time::advance(millis(1)).await;
    let call = it.called().await;
    assert_eq!(call.keys, [0, 1, 2]);
    // The next one is another's.
    asking.push(it.asked(3).await);
    call.answer();
    let call = it.called().await;
    assert_eq!(call.keys, [3]);
    call.answer();
    for asking in asking {
        assert!(value(asking).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_window_of_nothing_gathers_what_one_task_asks_for() {
    let it = Table::new(Duration::ZERO, 100);
    let asking = tokio::spawn({
        let batched = it.batched.clone();
        async move { join_all((0..5).map(|key| batched.get(key))).await }
    });
    let call = it.called().await;
    assert_eq!(call.keys, [0, 1, 2, 3, 4]);
    call.answer();
    assert_eq!(soon(asking).await.unwrap().len(), 5);
}

/// On the clock of the machine, on which nobody waits for long.
#[tokio::test]
async fn a_batch_goes_when_its_window_is_over() {
    let it = Table::new(Duration::from_millis(1), 100);
    let asking = it.ask(7);
    it.called().await.answer();
    assert_eq!(value(asking).await, Ok(Some(70)));
}

#[tokio::test]
async fn a_hit_never_enters_a_batch() {
    let it = Table::new(LONG, 2);
    it.cache.insert(1, 11).await;
    assert_eq!(it.batched.get(1).now_or_never(), Some(Ok(Some(11))));
    let a = it.asked(2).await;
    assert_eq!(it.batched.get(1).now_or_never(), Some(Ok(Some(11))));
    let b = it.ask(3);
    let call = it.called().await;
    assert_eq!(call.sorted(), [2, 3]);
    call.answer();
    assert_eq!((value(a).await, value(b).await), (Ok(Some(20)), Ok(Some(30))));
}

#[tokio::test]
async fn a_full_batch_goes_at_once_and_the_next_key_opens_another() {
    let it = Table::new(LONG, 3);
    let asking: Vec<_> = (0..7).map(|key| it.ask(key)).collect();
    let (first, second) = (it.called().await, it.called().await);
    assert_eq!((first.keys.len(), second.keys.len()), (3, 3));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!it.is_called().await, "the seventh waits");
    // The later call is answered first, and its callers do not wait for the other.
    second.answer();
    for asking in &asking[3..6] {
        until(|| asking.is_finished()).await;
    }
    assert!(asking[..3].iter().all(|asking| !asking.is_finished()));
    first.answer();
    for asking in &asking[..3] {
        until(|| asking.is_finished()).await;
    }
}

#[tokio::test]
async fn a_batch_of_none_counts_as_one_of_one() {
    for max_batch in [0, 1] {
        let it = Table::new(LONG, max_batch);
        let asking = [it.ask(1), it.ask(2)];
        for _ in 0..2 {
            let call = it.called().await;
            assert_eq!(call.keys.len(), 1);
            call.answer();
        }
        for asking in asking {
            assert!(value(asking).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_key_that_the_body_leaves_out_is_a_miss_for_its_caller_only() {
    let it = Table::new(LONG, 2);
    let (a, b) = (it.ask(1), it.ask(2));
    it.called().await.end(Answer::Values(vec![(2, 22)]));
    assert_eq!((value(a).await, value(b).await), (Ok(None), Ok(Some(22))));
    let stats = it.cache.stats();
    assert_eq!((stats.load_failures, stats.len), (0, 1));

    // Nothing is kept of that: it is asked for again.
    let (a, b) = (it.ask(1), it.ask(3));
    it.called().await.answer();
    assert_eq!((value(a).await, value(b).await), (Ok(Some(10)), Ok(Some(30))));
}

#[tokio::test]
async fn none_ttl_keeps_that_there_is_nothing() {
    let it = Table::with(Duration::ZERO, 100, |builder| builder.none_ttl(10 * SECOND));
    let asking = it.ask(1);
    it.called().await.end(Answer::Values(vec![]));
    assert_eq!(value(asking).await, Ok(None));
    assert_eq!(it.batched.get(1).now_or_never(), Some(Ok(None)));
    assert_eq!(it.cache.stats().negative_hits, 1);
    it.clock.advance(10 * SECOND);
    let asking = it.ask(1);
    it.called().await.answer();
    assert_eq!(value(asking).await, Ok(Some(10)));
    assert_eq!(it.batched.get(1).now_or_never(), Some(Ok(Some(10))));
}

/// Gone is gone, even where old values serve for failures.
#[tokio::test]
async fn what_the_body_leaves_out_takes_its_old_value_away() {
    let it = Table::with(Duration::ZERO, 100, |builder| builder.stale_if_error(MINUTE));
    it.cache.insert(1, 11).await;
    it.clock.advance(MINUTE);
    let (a, b) = (it.asked(1).await, it.asked(1).await);
    it.called().await.end(Answer::Values(vec![]));
    assert_eq!((value(a).await, value(b).await), (Ok(None), Ok(None)));
    assert!(it.cache.is_empty());

    it.cache.insert(1, 11).await;
    let refreshing = tokio::spawn({
        let batched = it.batched.clone();
        async move { batched.refresh(1).await }
    });
    it.called().await.end(Answer::Values(vec![]));
    assert_eq!(value(refreshing).await, Ok(None));
    assert!(it.cache.is_empty());
}

#[tokio::test]
async fn an_error_reaches_every_caller_of_its_batch() {
    let it = Table::new(LONG, 2);
    let one = [it.ask(1), it.ask(2), it.ask(1)];
    let first = it.called().await;
    let other = [it.ask(3), it.ask(4)];
    let second = it.called().await;
    first.end(Answer::Fail("down"));
    second.answer();
    for asking in one {
        assert_eq!(value(asking).await, Err(Failed::Upstream("down")));
    }
    for asking in other {
        assert!(value(asking).await.unwrap().is_some());
    }
    let stats = it.cache.stats();
    assert_eq!((stats.loads, stats.load_failures, stats.len), (4, 2, 2));

    // It is not kept.
    let again = [it.ask(1), it.ask(2)];
    it.called().await.answer();
    for asking in again {
        assert!(value(asking).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn err_ttl_keeps_the_error_for_each_key() {
    let it = Table::with(LONG, 2, |builder| builder.err_ttl(10 * SECOND));
    let asking = [it.ask(1), it.ask(2)];
    it.called().await.end(Answer::Fail("down"));
    for asking in asking {
        assert!(value(asking).await.is_err());
    }
    for key in [1, 2] {
        let failed = it.batched.get(key).now_or_never();
        assert_eq!(failed, Some(Err(Failed::Upstream("down"))));
    }
    // One of them is known to be another now.
    it.cache.invalidate(&1).await;
    it.clock.advance(10 * SECOND);
    let asking = [it.ask(1), it.ask(2)];
    it.called().await.answer();
    for asking in asking {
        assert!(value(asking).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn an_old_value_serves_for_an_error() {
    let it = Table::with(LONG, 2, |builder| builder.stale_if_error(MINUTE));
    it.cache.insert(1, 11).await;
    it.clock.advance(MINUTE);
    let asking = [it.asked(1).await, it.ask(2), it.ask(1)];
    it.called().await.end(Answer::Fail("down"));
    let [a, b, c] = asking;
    assert_eq!(value(a).await, Ok(Some(11)));
    assert_eq!(value(b).await, Err(Failed::Upstream("down")));
    assert_eq!(value(c).await, Ok(Some(11)));
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_others_alone() {
    for who in [0, 1] {
        for when in ["the window is open", "the body runs"] {
            let it = Table::new(LONG, 3);
            let mut asking = vec![it.asked(0).await, it.asked(1).await];
            let (call, last) = if when == "the body runs" {
                let last = it.ask(2);
                let call = it.called().await;
                let gone = asking.remove(who);
                gone.abort();
                assert!(soon(gone).await.unwrap_err().is_cancelled());
                (call, last)
            } else {
                let gone = asking.remove(who);
                gone.abort();
                assert!(soon(gone).await.unwrap_err().is_cancelled());
                let last = it.ask(2);
                (it.called().await, last)
            };
            assert_eq!(call.sorted(), [0, 1, 2], "{when}");
            call.answer();
            assert!(value(asking.remove(0)).await.unwrap().is_some());
            assert!(value(last).await.unwrap().is_some());
            assert_eq!(it.cache.len(), 3, "what he asked for is there for others");
        }
    }
}

#[tokio::test]
async fn a_key_is_in_one_batch_at_a_time() {
    let it = Table::new(LONG, 2);
    let mut asking = vec![it.ask(1), it.ask(2)];
    let first = it.called().await;
    // It loads already, and so does not make the next batch full.
    for _ in 0..3 {
        asking.push(it.asked(1).await);
    }
    asking.push(it.asked(3).await);
    asking.push(it.asked(3).await);
    assert!(!it.is_called().await);
    asking.push(it.ask(4));
    let second = it.called().await;
    assert_eq!((first.sorted(), second.sorted()), (vec![1, 2], vec![3, 4]));
    first.answer();
    second.answer();
    for asking in asking {
        assert!(value(asking).await.unwrap().is_some());
    }
    let stats = it.cache.stats();
    assert_eq!((stats.loads, stats.batches, stats.coalesced), (4, 2, 4), "{stats}");
}

/// Loads of other kinds count too, in both directions.
#[tokio::test]
async fn batches_and_single_loads_share_their_flights() {
    let it = Table::new(Duration::ZERO, 100);
    let (go_on, told) = oneshot::channel::<()>();
    let single = tokio::spawn({
        let cache = it.cache.clone();
        async move {
            let load = || async move {
                told.await.unwrap();
                5
            };
            cache.get_or_load(1, load).await
        }
    });
    until(|| it.cache.stats().loads == 1).await;
    let asking = it.asked(1).await;
    go_on.send(()).unwrap();
    assert_eq!((soon(single).await.unwrap(), value(asking).await), (5, Ok(Some(5))));
    assert!(!it.is_called().await);

    let asking = it.ask(2);
    let call = it.called().await;
    let single = tokio::spawn({
        let cache = it.cache.clone();
        async move { cache.get_or_load(2, || async { unreachable!("it joins") }).await }
    });
    until(|| it.cache.stats().misses == 4).await;
    call.answer();
    assert_eq!((value(asking).await, soon(single).await.unwrap()), (Ok(Some(20)), 20));
}

/// Each of its loads gets what comes of it, also where nothing is kept that they could find.
#[tokio::test]
async fn the_same_key_is_not_passed_twice() {
    for max_size in [0, 100] {
        let it = Table::with(LONG, 2, |builder| builder.max_size(max_size));
        let before = it.asked(1).await;
        it.cache.invalidate(&1).await;
        let between = it.asked(1).await;
        it.cache.invalidate(&1).await;
        let after = it.asked(1).await;
        let other = it.ask(2);
        let call = it.called().await;
        assert_eq!(call.keys, [1, 2]);
        call.answer();
        for asking in [before, between, after] {
            assert_eq!(value(asking).await, Ok(Some(10)));
        }
        value(other).await.unwrap();
        let kept = (max_size > 0).then_some(10);
        assert_eq!(it.cache.peek(&1), kept);
        assert_eq!(
            it.cache.stats().insertions,
            2 * u64::from(max_size > 0),
            "the one that began last was kept"
        );
        assert_eq!(it.cache.stats().batches, 1);
    }
}

#[tokio::test]
async fn callers_in_different_sessions_do_not_share_a_batch() {
    let it = Table::new(LONG, 2);
    let ask = |session: Option<&'static str>, key| {
        let batched = it.batched.clone();
        tokio::spawn(async move {
            match session {
                Some(session) => session::scope(session, batched.get(key)).await,
                None => batched.get(key).await,
            }
        })
    };
    // One after the other, so that each finds the batch of another open.
    let sessions = [Some("a"), Some("b"), None];
    let asking: Vec<_> = (0..6)
        .zip(sessions.into_iter().cycle())
        .map(|(key, session)| ask(session, key))
        .collect();
    let mut calls = BTreeMap::new();
    for _ in 0..3 {
        let call = it.called().await;
        calls.insert(call.session.as_ref().map(ToString::to_string), call.sorted());
        call.answer();
    }
    let expected = [
        (None, vec![2, 5]),
        (Some("a".to_owned()), vec![0, 3]),
        (Some("b".to_owned()), vec![1, 4]),
    ];
    assert_eq!(calls, BTreeMap::from(expected));
    for asking in asking {
        assert!(value(asking).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn refreshes_in_the_background_go_through_batches() {
    let it = Table::with(LONG, 3, |builder| builder.stale_while_revalidate(MINUTE));
    it.cache.insert_many([(1, 1), (2, 2)]).await;
    it.clock.advance(MINUTE);
    // Served at once, each with a refresh begun.
    for key in [1, 2, 1, 2] {
        assert_eq!(it.batched.get(key).now_or_never(), Some(Ok(Some(key))));
    }
    assert!(!it.is_called().await);
    let asking = it.ask(3);
    let call = it.called().await;
    assert_eq!(call.sorted(), [1, 2, 3]);
    call.answer();
    assert_eq!(value(asking).await, Ok(Some(30)));
    assert_eq!(it.cache.get_many(&[1, 2, 3]), [Some(10), Some(20), Some(30)]);
    assert_eq!(it.cache.stats().refreshes, 2);
}

#[tokio::test]
async fn a_refresh_takes_the_place_of_a_load_under_way() {
    let it = Table::new(Duration::ZERO, 100);
    let refresh = || {
        let batched = it.batched.clone();
        tokio::spawn(async move { batched.refresh(1).await })
    };
    it.cache.insert(1, 1).await;
    let old = refresh();
    let old_call = it.called().await;
    let new = refresh();
    it.called().await.end(Answer::Values(vec![(1, 3)]));
    assert_eq!(value(new).await, Ok(Some(3)));
    old_call.end(Answer::Values(vec![(1, 2)]));
    assert_eq!(value(old).await, Ok(Some(2)));
    assert_eq!(it.cache.peek(&1), Some(3));

    // A failure leaves what is there.
    let failing = refresh();
    it.called().await.end(Answer::Fail("down"));
    assert_eq!(value(failing).await, Err(Failed::Upstream("down")));
    assert_eq!(it.cache.peek(&1), Some(3));
}

/// That there is nothing is no failure, for which an old value would serve: not even where it is not kept, because a refresh
/// has taken the place of that load.
#[tokio::test]
async fn no_old_value_serves_where_there_is_nothing() {
    let it = Table::with(Duration::ZERO, 100, |builder| builder.stale_if_error(MINUTE));
    it.cache.insert(1, 11).await;
    it.clock.advance(MINUTE);
    let asking = it.ask(1);
    let call = it.called().await;
    let joined = it.asked(1).await;
    let refreshing = tokio::spawn({
        let batched = it.batched.clone();
        async move { batched.refresh(1).await }
    });
    let refresh = it.called().await;
    call.end(Answer::Values(vec![]));
    assert_eq!((value(asking).await, value(joined).await), (Ok(None), Ok(None)));
    refresh.answer();
    assert_eq!(value(refreshing).await, Ok(Some(10)));
    assert_eq!(it.cache.peek(&1), Some(10));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

async fn panic_of(asking: JoinHandle<Found>) -> String {
    let panic = soon(asking).await.unwrap_err().into_panic();
    message(&*panic).to_owned()
}

#[tokio::test]
async fn a_panic_is_that_of_the_caller_who_opened_the_batch() {
    let it = Table::new(LONG, 3);
    let opener = it.asked(1).await;
    let others = [it.asked(2).await, it.ask(3)];
    it.called().await.end(Answer::Panic);
    assert_eq!(panic_of(opener).await, "told to panic");
    // They ask again, in a batch that is not full.
    until(|| it.cache.stats().load_failures == 3).await;
    let another = it.ask(4);
    let call = it.called().await;
    assert_eq!(call.sorted(), [2, 3, 4]);
    call.answer();
    for asking in others.into_iter().chain([another]) {
        assert!(value(asking).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_panic_of_a_caller_that_has_gone_is_nobodys() {
    let it = Table::new(LONG, 2);
    let opener = it.asked(1).await;
    let other = it.ask(2);
    let call = it.called().await;
    opener.abort();
    assert!(soon(opener).await.unwrap_err().is_cancelled());
    call.end(Answer::Panic);
    let another = it.ask(3);
    it.called().await.answer();
    assert!(value(other).await.unwrap().is_some());
    assert!(value(another).await.unwrap().is_some());
}

/// It neither hangs nor makes its callers wait in line.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_always_panics_comes_to_an_end_with_each_caller() {
    let calls = Arc::new(AtomicU64::new(0));
    let cache = Cache::<u64, u64>::builder().build();
    let batched: Batched<u64, u64, Failed> = cache.batched(Duration::from_millis(1), 100, {
        let calls = Arc::clone(&calls);
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { panic!("always") as Result<Vec<_>, Failed> }
        }
    });
    let asking: Vec<_> = (0..40)
        .map(|key| {
            let batched = batched.clone();
            tokio::spawn(async move { batched.get(key % 20).await })
        })
        .collect();
    for asking in asking {
        assert_eq!(panic_of(asking).await, "always");
    }
    assert!(calls.load(Ordering::SeqCst) <= 40);
    assert!(cache.is_empty());
    assert_eq!(cache.get_or_load(7, || async { 7 }).await, 7);
}

/// A key that makes the body panic harms who asks for it, and whoever opened a batch with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_panics_does_not_keep_the_others_away() {
    let cache = Cache::<u64, u64>::builder().build();
    let batched: Batched<u64, u64, Failed> =
        cache.batched(Duration::from_millis(1), 100, |keys: Vec<u64>| async move {
            assert!(!keys.contains(&3), "of no use");
            Ok(keys.into_iter().map(|key| (key, key)).collect::<Vec<_>>())
        });
    let asking: Vec<_> = (0..20)
        .map(|key| {
            let batched = batched.clone();
            tokio::spawn(async move { (key, batched.get(key).await) })
        })
        .collect();
    let mut harmed = 0;
    for (at, asking) in asking.into_iter().enumerate() {
        match soon(asking).await {
            Ok((key, found)) => assert_eq!((found, key == 3), (Ok(Some(key)), false)),
            Err(error) => {
                assert!(error.is_panic());
                harmed += usize::from(at != 3);
            }
        }
    }
    assert!(harmed <= 2, "{harmed}");
}

/// A panic in what makes the body's future is one in the body.
#[tokio::test]
async fn a_body_may_panic_before_it_is_polled() {
    let cache = Cache::<u64, u64>::builder().build();
    let batched: Batched<u64, u64, Failed> = cache.batched(Duration::ZERO, 100, |_| {
        assert!(AtomicBool::new(false).into_inner(), "at once");
        async { Ok(vec![]) }
    });
    let asking = tokio::spawn(async move { batched.get(1).await });
    assert_eq!(panic_of(asking).await, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_asks_for_a_key_of_its_own_batch_says_so() {
    let cache = Cache::<u64, u64>::builder().name("circle").build();
    let own: Arc<std::sync::OnceLock<Batched<u64, u64, Failed>>> = Arc::default();
    let batched = cache.batched(Duration::from_millis(1), 2, {
        let own = Arc::clone(&own);
        move |keys: Vec<u64>| {
            let own = own.get().unwrap().clone();
            async move {
                // Of another key it may ask.
                assert_eq!(own.get(100).await, Ok(Some(100)));
                own.get(keys[0]).await?;
                Ok::<_, Failed>(vec![])
            }
        }
    });
    own.set(batched.clone()).unwrap_or_else(|_| unreachable!());
    cache.insert(100, 100).await;
    let asking: Vec<_> = [1, 2]
        .into_iter()
        .map(|key| {
            let batched = batched.clone();
            tokio::spawn(async move { batched.get(key).await })
        })
        .collect();
    for asking in asking {
        let message = panic_of(asking).await;
        assert!(
            message.contains("`circle`: this load would wait for itself"),
            "{message}"
        );
    }
}

/// A batch of two keys waits for a single load, which waits for the first of the two, which is not the innermost of anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_circle_through_a_batch_is_found_by_any_of_its_keys() {
    for back_to in [1, 2] {
        let cache = Cache::<u64, u64>::builder().name("circle").build();
        let single = Cache::<u64, u64>::builder().name("single").build();
        let (started, has_started) = oneshot::channel::<()>();
        let (go_on, told) = oneshot::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(Some((started, told))));
        let batched: Batched<u64, u64, Failed> = cache.batched(LONG, 2, {
            let single = single.clone();
            move |_| {
                let (single, gate) = (single.clone(), gate.lock().unwrap().take());
                async move {
                    let Some((started, told)) = gate else {
                        return Ok(vec![(1, 1), (2, 2)]);
                    };
                    started.send(()).unwrap();
                    told.await.unwrap();
                    let joined = single.get_or_load(9, || async { unreachable!("it joins") }).await;
                    Ok(vec![(1, joined), (2, joined)])
                }
            }
        });
        let ask = |key| {
            let batched = batched.clone();
            tokio::spawn(async move { batched.get(key).await })
        };
        let opener = ask(1);
        until(|| cache.stats().misses == 1).await;
        let other = ask(2);
        soon(has_started).await.unwrap();
        let waits = tokio::spawn({
            let (single, batched) = (single.clone(), batched.clone());
            async move {
                let load = || async { batched.get(back_to).await.unwrap().unwrap() };
                single.get_or_load(9, load).await
            }
        });
        until(|| single.stats().loads == 1 && cache.stats().misses == 3).await;
        go_on.send(()).unwrap();
        // The batch closes the circle and panics. Its opener hears of it, and the others load anew: two keys, if need be with
        // one more.
        assert!(panic_of(opener).await.contains("would wait for itself"));
        if back_to == 2 {
            drop(ask(3));
        }
        assert_eq!(value(other).await, Ok(Some(2)));
        assert_eq!(soon(waits).await.unwrap(), back_to);
    }
}

/// A batch that another one waits for runs on its own, whoever else waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_ask_for_other_keys_of_its_own_kind() {
    let cache = Cache::<u64, u64>::builder().build();
    let own: Arc<std::sync::OnceLock<Batched<u64, u64, Failed>>> = Arc::default();
    let batched = cache.batched(Duration::ZERO, 100, {
        let own = Arc::clone(&own);
        move |keys: Vec<u64>| {
            let own = own.get().unwrap().clone();
            async move {
                let mut values = Vec::new();
                for key in keys {
                    let below = match key {
                        0 => 0,
                        key => own.get(key - 1).await?.unwrap(),
                    };
                    values.push((key, below + key));
                }
                Ok::<_, Failed>(values)
            }
        }
    });
    own.set(batched.clone()).unwrap_or_else(|_| unreachable!());
    assert_eq!(soon(batched.get(20)).await, Ok(Some(210)));
    assert_eq!(cache.len(), 21);
}

/// The batch goes with the runtime of its opener, and a waiter on another one takes over.
#[test]
fn a_runtime_that_goes_away_takes_no_caller_with_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    for is_running in [false, true] {
        let it = Table::new(LONG, 2);
        let (first, second) = (runtime(), runtime());
        first.block_on(async {
            // Polled once, which opens the batch, and then abandoned together with its runtime.
            drop(it.asked(1).await);
            if is_running {
                drop(it.ask(2));
                assert_eq!(it.called().await.sorted(), [1, 2]);
            }
        });
        let asking = second.spawn({
            let batched = it.batched.clone();
            async move { batched.get(1).await }
        });
        second.block_on(until(|| {
            it.cache.stats().coalesced == 0 && it.cache.stats().misses >= 2
        }));
        drop(first);
        second.block_on(async {
            drop(it.ask(3));
            let call = it.called().await;
            assert_eq!(call.sorted(), [1, 3]);
            call.answer();
            assert_eq!(value(asking).await, Ok(Some(10)));
        });
    }
}

/// Its own runtime shuts down under a caller that is outside of it: nothing would run a task of his, so he runs the body
/// himself.
#[test]
fn a_caller_on_a_runtime_that_shuts_down_loads_in_person() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cache = Cache::<u64, u64>::builder().build();
    let batched: Batched<u64, u64, Failed> = cache.batched(Duration::ZERO, 100, |keys: Vec<u64>| async move {
        Ok(keys.into_iter().map(|key| (key, key)).collect::<Vec<_>>())
    });
    let handle = runtime.handle().clone();
    drop(runtime);
    let _entered = handle.enter();
    assert_eq!(futures::executor::block_on(batched.get(7)), Ok(Some(7)));
    assert_eq!(cache.peek(&7), Some(7));
}

#[test]
fn no_runtime_is_needed() {
    let cache = Cache::<u64, u64>::builder().build();
    let batched: Batched<u64, u64, Failed> =
        cache.batched(Duration::from_millis(1), 100, |keys: Vec<u64>| async move {
            Ok(keys.into_iter().map(|key| (key, key)).collect::<Vec<_>>())
        });
    let both = futures::future::join(batched.get(1), batched.get(2));
    let both = futures::executor::block_on(both);
    assert_eq!(both, (Ok(Some(1)), Ok(Some(2))));
    assert_eq!(cache.stats().batches, 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_no_longer_than_it_is_told_to() {
    let it = Table::with(LONG, 3, |builder| {
        builder
            .stale_if_error(MINUTE)
            .soft_timeout(SECOND)
            .load_timeout(10 * SECOND)
    });
    it.cache.insert(1, 1).await;
    it.clock.advance(MINUTE);
    let timing_out = it.batched.clone().timing_out();
    let has_old = it.asked(1).await;
    let has_nothing = tokio::spawn(async move { timing_out.get(2).await });
    let patient = it.ask(3);
    let call = it.called().await;
    assert_eq!(call.sorted(), [1, 2, 3]);
    assert_eq!(value(has_old).await, Ok(Some(1)));
    assert_eq!(value(has_nothing).await, Err(Failed::Slow));
    assert!(!patient.is_finished());
    assert_eq!(it.cache.stats().timeouts, 2);
    // The batch goes on.
    call.answer();
    assert_eq!(value(patient).await, Ok(Some(30)));
    assert_eq!(it.cache.get_many(&[1, 2, 3]), [Some(10), Some(20), Some(30)]);
}

#[tokio::test]
async fn the_body_may_return_anything_that_yields_pairs() {
    let cache = Cache::<u64, u64>::builder().build();
    let map = cache.batched(Duration::ZERO, 100, |keys: Vec<u64>| async move {
        Ok::<_, Failed>(keys.into_iter().map(|key| (key, 1)).collect::<HashMap<_, _>>())
    });
    let tree = cache.batched(Duration::ZERO, 100, |keys: Vec<u64>| async move {
        Ok::<_, Failed>(keys.into_iter().map(|key| (key, 2)).collect::<BTreeMap<_, _>>())
    });
    let option = cache.batched(Duration::ZERO, 100, |keys: Vec<u64>| async move {
        Ok::<_, Failed>(keys.first().map(|key| (*key, 3)))
    });
    assert_eq!((map.get(1).await, tree.get(2).await), (Ok(Some(1)), Ok(Some(2))));
    assert_eq!(option.get(3).await, Ok(Some(3)));
}

#[tokio::test]
async fn of_two_values_the_later_counts_and_those_not_asked_for_are_left() {
    let it = Table::new(Duration::ZERO, 100);
    let asking = it.ask(1);
    it.called().await.end(Answer::Values(vec![(1, 5), (2, 22), (1, 6)]));
    assert_eq!(value(asking).await, Ok(Some(6)));
    assert_eq!((it.cache.peek(&1), it.cache.peek(&2)), (Some(6), None));
}

#[tokio::test]
async fn what_loads_in_a_batch_has_its_tags() {
    let it = Table::with(Duration::ZERO, 100, |builder| {
        builder
            .tags(|key| [format!("batch-key:{key}")])
            .tag_fn(|value| [format!("batch-value:{value}")])
    });
    let asking: Vec<_> = (1..=3).map(|key| it.ask(key)).collect();
    it.called().await.answer();
    for asking in asking {
        value(asking).await.unwrap();
    }
    assert_eq!(cache_core::invalidate_tag("batch-key:1").await, 1);
    assert_eq!(cache_core::invalidate_tag("batch-value:20").await, 1);
    assert_eq!(it.cache.get_many(&[1, 2, 3]), [None, None, Some(30)]);
}

/// What weighs a value is foreign code, of one key.
#[tokio::test]
async fn what_panics_over_one_key_harms_only_that() {
    let it = Table::with(LONG, 3, |builder| {
        builder.max_weight(100, |_, value| {
            assert_ne!(*value, 20, "told to panic");
            1
        })
    });
    let asking: Vec<_> = (1..=3).map(|key| it.ask(key)).collect();
    it.called().await.answer();
    let [one, two, three] = asking.try_into().unwrap();
    assert_eq!((value(one).await, value(three).await), (Ok(Some(10)), Ok(Some(30))));
    // It asks once more, and then alone, where nothing is kept and so nothing weighed.
    let others = [it.asked(4).await, it.ask(5)];
    let call = it.called().await;
    assert!(call.keys.contains(&2));
    call.answer();
    for asking in others {
        assert!(value(asking).await.unwrap().is_some());
    }
    it.called().await.end(Answer::Values(vec![(2, 21)]));
    assert_eq!(value(two).await, Ok(Some(21)));
}

#[tokio::test]
async fn many_keys_go_into_as_few_batches_as_there_is_room_in() {
    let it = Table::new(LONG, 4);
    it.cache.insert(1, 11).await;
    let many = tokio::spawn({
        let batched = it.batched.clone();
        async move { batched.get_many([1, 2, 3, 2, 4, 5, 1, 6, 7, 8, 9]).await }
    });
    let (first, second) = (it.called().await, it.called().await);
    assert_eq!((first.keys.len(), second.keys.len()), (4, 4));
    let left_out = second.keys[0];
    let values = second.keys[1..].iter().map(|key| (*key, key * 10)).collect();
    first.answer();
    second.end(Answer::Values(values));
    let found = soon(many).await.unwrap().unwrap();
    let expected: HashMap<_, _> = (1..=9)
        .filter(|key| *key != left_out)
        .map(|key| (key, if key == 1 { 11 } else { key * 10 }))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(it.batched.get_many([]).await, Ok(HashMap::new()));
}

#[tokio::test]
async fn an_error_of_one_batch_is_that_of_all_that_were_asked_for() {
    let it = Table::new(LONG, 2);
    let many = tokio::spawn({
        let batched = it.batched.clone();
        async move { batched.get_many([1, 2, 3, 4]).await }
    });
    let (first, second) = (it.called().await, it.called().await);
    let went_on = first.sorted();
    second.end(Answer::Fail("down"));
    assert_eq!(soon(many).await.unwrap(), Err(Failed::Upstream("down")));
    // The other goes on all the same.
    first.answer();
    until(|| it.cache.len() == 2).await;
    assert!(went_on.iter().all(|key| it.cache.peek(key).is_some()));
}

/// Futures may be sent to other threads, and handles shared.
#[test]
fn futures_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    // Of a name that no other test's has.
    let it = Table::with(LONG, 2, |builder| builder.name("sent"));
    is_shared(&it.batched);
    is_send(&it.batched.get(1));
    is_send(&it.batched.get_many([1]));
    is_send(&it.batched.refresh(1));
    assert_eq!(
        format!("{:?}", it.batched),
        r#"Batched { cache: Cache { name: "sent", .. }, batches: Batches { window: 3600s, max_batch: 2, .. }, .. }"#
    );
}

#[tokio::test]
async fn with_caches_off_each_call_runs_the_body() {
    let it = Table::new(LONG, 100);
    it.cache.insert(1, 11).await;
    let (batched, cache) = (it.batched.clone(), it.cache.clone());
    let asking = tokio::spawn(cache_core::testing::disabled(async move {
        assert_eq!(cache.get_many(&[1]), [None]);
        cache.insert_many([(5, 5)]).await;
        (batched.get(1).await, batched.get_many([2]).await)
    }));
    for key in [1, 2] {
        let call = it.called().await;
        assert_eq!(call.keys, [key]);
        call.answer();
    }
    let (one, many) = soon(asking).await.unwrap();
    assert_eq!((one, many), (Ok(Some(10)), Ok(HashMap::from([(2, 20)]))));
    let stats = it.cache.stats();
    assert_eq!((stats.len, stats.bypassed, stats.loads), (1, 3, 0), "{stats}");
}

/// What a table holds, what is in the cache, and what is asked for.
fn tables() -> impl Strategy<Value = (BTreeMap<u64, u64>, BTreeMap<u64, u64>, Vec<u64>, usize, bool)> {
    let table = || prop::collection::btree_map(0..20_u64, any::<u64>(), 0..20);
    (
        table(),
        table(),
        prop::collection::vec(0..20_u64, 0..40),
        0..8_usize,
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn many_equals_single_calls((table, cached, keys, max_batch, fails) in tables()) {
        let make = || {
            let cache = Cache::<u64, u64>::builder().build();
            futures::executor::block_on(cache.insert_many(cached.clone()));
            let table = table.clone();
            let batched = cache.batched(Duration::ZERO, max_batch, move |keys: Vec<u64>| {
                let found = keys.into_iter().filter_map(|key| Some((key, *table.get(&key)?))).collect::<Vec<_>>();
                async move { if fails { Err(Failed::Upstream("down")) } else { Ok(found) } }
            });
            (cache, batched)
        };
        let ((one_cache, one), (many_cache, many)) = (make(), make());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut singles = HashMap::new();
            let mut failed = None;
            for key in &keys {
                match one.get(*key).await {
                    Ok(Some(value)) => drop(singles.insert(*key, value)),
                    Ok(None) => {}
                    Err(error) => failed = Some(error),
                }
            }
            let found = many.get_many(keys.clone()).await;
            assert_eq!(found, failed.map_or(Ok(singles), Err));
            if !fails {
                let all = |cache: &Cache<u64, u64>| cache.get_many(&(0..20).collect::<Vec<_>>());
                assert_eq!(all(&one_cache), all(&many_cache));
            }
        });
    }
}

/// Dropped with callers inside.
#[tokio::test]
async fn a_handle_that_is_dropped_leaves_its_callers_their_values() {
    let it = Table::new(LONG, 2);
    let asking = [it.asked(1).await, it.ask(2)];
    let Table {
        cache, batched, calls, ..
    } = it;
    drop((cache, batched));
    let call = soon(calls.lock().await.recv()).await.unwrap();
    call.answer();
    for asking in asking {
        assert!(
            AssertUnwindSafe(value(asking))
                .catch_unwind()
                .await
                .unwrap()
                .unwrap()
                .is_some()
        );
    }
}
