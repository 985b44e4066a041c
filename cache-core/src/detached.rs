//! Loads that run as tasks of their own: in the background, or while their caller waits as long as it likes.
//!
//! The task owns the [`Load`], and with it the flight; its caller waits like everybody else who joined, and may stop waiting.

use std::future::{Future, pending, poll_fn};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::background::{self, Timer};
use crate::cache::Cache;
use crate::freshness::LoadTimeout;
use crate::key::{Key, Value};
use crate::load::{Accepts, Load, Run};
use crate::outcome::Outcome;
use crate::shared::Shared;
use crate::stats::Count;
use crate::warm;

/// Makes what a caller returns that did not get a value in time.
pub(crate) type OnTimeout<R> = fn(LoadTimeout) -> R;

/// Looks, and on a miss has a task load.
///
/// As [`obtain`](crate::load::obtain), but that `look` may also say that there is a value to serve and that this caller is to
/// see to a new one.
pub(crate) async fn obtain<T, K, V, R, G, F>(
    given: G,
    look: impl FnOnce(&G) -> Result<V, Load<K, V>>,
    keep_if: impl FnOnce(&V) -> bool + Send + 'static,
    on_timeout: Option<OnTimeout<R>>,
    make: impl FnOnce(G) -> F,
) -> R
where
    T: 'static,
    K: Key,
    V: Value,
    R: Outcome<T, Value = V> + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut load = match look(&given) {
        Ok(value) => return R::hit(value),
        Err(load) => load,
    };
    if let Some((value, leads)) = load.served() {
        if leads {
            let _edge = load.start();
            let future = {
                let _running = load.running();
                make(given)
            };
            // Where there is nothing to run it on, the old value serves until its time is over.
            let _ = background::spawn(background::Context::current().wrap(run(load, keep_if, future)));
        }
        return R::hit(value);
    }
    if load.is_outside() {
        // In a box, like what is seldom below, so that the future of a hit has no room for it.
        return Box::pin(make(given)).await;
    }
    let mut patience = Patience::new(load.shared(), on_timeout);
    loop {
        let waited = patience.wait(load.join()).await;
        match waited {
            Waited::Done(None) => break,
            Waited::Done(Some(joined)) => match load.make_of(joined) {
                ControlFlow::Break(outcome) => return outcome,
                ControlFlow::Continue(()) => {}
            },
            Waited::TooLong(end) => {
                if let Some(outcome) = end.outcome(load.shared(), load.fallback()) {
                    return outcome;
                }
            }
        }
    }
    let left = Left::behind(&load);
    let _edge = load.start();
    let future = {
        let _running = load.running();
        make(given)
    };
    let task = run(load, keep_if, future);
    let mut task = match background::spawn(background::Context::current().wrap(task)) {
        Ok(task) => task,
        Err(task) => return left.instead(Box::pin(task).await),
    };
    loop {
        match patience.wait(ended(&mut task)).await {
            Waited::Done(outcome) => return left.instead(outcome),
            Waited::TooLong(end) => {
                if let Some(outcome) = end.outcome(&left.shared, left.fallback()) {
                    return outcome;
                }
            }
        }
    }
}

/// What the task does.
async fn run<T, K, V, R, F>(mut load: Load<K, V>, keep_if: impl FnOnce(&V) -> bool, future: F) -> R
where
    K: Key,
    V: Value,
    R: Outcome<T, Value = V>,
    F: Future<Output = R>,
{
    let outcome = Run {
        load: &load,
        future: pin!(future),
    }
    .await;
    load.end(&outcome, keep_if);
    outcome
}

/// What a task comes to. Its panic is its caller's.
async fn ended<R>(task: &mut JoinHandle<R>) -> R {
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime has gone while somebody outside of it waits. There is nothing to wait for, and nothing to return.
            Err(_) => pending().await,
        },
    }
}

/// What a caller keeps whose load has gone to a task.
struct Left<K, V> {
    shared: Arc<Shared<K, V>>,
    hash: u64,
    key: K,
    accepts: Option<Accepts<V>>,
    is_reload: bool,
}

impl<K: Key, V: Value> Left<K, V> {
    fn behind(load: &Load<K, V>) -> Self {
        let (hash, key) = load.place();
        Self {
            shared: Arc::clone(load.shared()),
            hash,
            key,
            accepts: load.acceptable(),
            is_reload: load.is_reload(),
        }
    }

    fn fallback(&self) -> Option<V> {
        if self.is_reload {
            return None;
        }
        let accepts = |value: &V| self.accepts.as_ref().is_none_or(|accepts| accepts(value));
        self.shared.fallback(self.hash, &self.key, accepts)
    }

    fn instead<T, R: Outcome<T, Value = V>>(&self, outcome: R) -> R {
        if outcome.success().is_some() || outcome.is_nothing() {
            return outcome;
        }
        warm::note_failure();
        self.fallback().map_or(outcome, R::hit)
    }
}

/// How long a caller waits.
pub(crate) struct Patience<R> {
    on_timeout: Option<OnTimeout<R>>,
    soft: Option<(Duration, Option<Timer>)>,
    hard: Option<(Duration, Option<Timer>)>,
}

/// What came of waiting.
pub(crate) enum Waited<O, R> {
    Done(O),
    TooLong(End<R>),
}

/// Which patience came to its end.
pub(crate) enum End<R> {
    Soft,
    Hard(Duration, OnTimeout<R>),
}

impl<R> End<R> {
    /// What the caller returns then, unless it goes on waiting.
    pub(crate) fn outcome<T, K: Key, V: Value>(self, shared: &Shared<K, V>, fallback: Option<V>) -> Option<R>
    where
        R: Outcome<T, Value = V>,
    {
        let outcome = match (fallback, self) {
            (Some(value), _) => R::hit(value),
            (None, Self::Soft) => return None,
            (None, Self::Hard(after, on_timeout)) => {
                warm::note_failure();
                on_timeout(LoadTimeout::new(Arc::clone(&shared.name), after))
            }
        };
        shared.counters.one(Count::Timeouts);
        Some(outcome)
    }
}

impl<R> Patience<R> {
    pub(crate) fn new<K: Key, V: Value>(shared: &Shared<K, V>, on_timeout: Option<OnTimeout<R>>) -> Self {
        let freshness = &shared.freshness;
        let soft = freshness.soft_timeout.filter(|_| freshness.serves_stale());
        let hard = freshness.load_timeout.filter(|_| on_timeout.is_some());
        Self {
            on_timeout,
            soft: soft.map(|after| (after, None)),
            hard: hard.map(|after| (after, None)),
        }
    }

    /// Waits for something, but not longer than there is patience left. Each kind of patience ends once.
    pub(crate) async fn wait<O>(&mut self, future: impl Future<Output = O>) -> Waited<O, R> {
        let mut future = pin!(future);
        poll_fn(move |cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Waited::Done(done));
            }
            if has_ended(&mut self.soft, cx).is_some() {
                return Poll::Ready(Waited::TooLong(End::Soft));
            }
            match (has_ended(&mut self.hard, cx), self.on_timeout) {
                (Some(after), Some(on_timeout)) => Poll::Ready(Waited::TooLong(End::Hard(after, on_timeout))),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

/// Whether a time is over, and which. It is counted from when this is first asked.
fn has_ended(limit: &mut Option<(Duration, Option<Timer>)>, cx: &mut Context<'_>) -> Option<Duration> {
    let (after, timer) = limit.as_mut()?;
    let after = *after;
    if timer.is_none() {
        *timer = background::timer(after);
    }
    match timer.as_mut().map(|timer| Pin::as_mut(timer).poll(cx)) {
        Some(Poll::Ready(())) => {
            *limit = None;
            Some(after)
        }
        _ => None,
    }
}

impl<K: Key, V: Value> Cache<K, V> {
    pub(crate) async fn find_or_spawn<T, R, F>(
        &self,
        key: K,
        on_timeout: Option<OnTimeout<R>>,
        load: impl FnOnce() -> F,
    ) -> R
    where
        T: 'static,
        R: Outcome<T, Value = V> + Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let shared = self.shared();
        let hash = shared.hash(&key);
        let look = move |(): &()| {
            shared
                .see(hash, &key, true)
                .map_err(|claim| Load::first(&shared, hash, key, None).with(claim))
        };
        obtain((), look, |_: &V| true, on_timeout, |()| load()).await
    }
}
