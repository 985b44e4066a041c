//! What a miss does: join the load of its key, or run it for everybody.
//!
//! All loads of a cache go through [`obtain`]: a first load, and a reload, which differs only in that it takes the place
//! of a load that is under way where a first load would join it.
//!
//! `obtain` is compiled once for each load that users write, so it holds what concerns their future and no more: all else
//! is in [`Load`], which knows only keys and values. It is also the only coroutine between a caller and that future, so
//! that what a load is made of is not kept twice on the way down.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cache::Cache;
use crate::flight::{Ending, Entered, Flight, FlightId, KeepFailure, SharedError, Waiter};
use crate::key::{Key, Value};
use crate::outcome::{self, Outcome};
use crate::reentry::{self, Edge, Running};
use crate::shared::{Claim, Shared};
use crate::stats::Count;
use crate::store::Entry;
use crate::tag::{self, Labels, Origin, Tag, TagValue, Tags};
use crate::world;

/// After so many loads of others that panicked, a caller loads for itself: a load that always panics must not make
/// its callers wait for one another in line.
const PATIENCE: u32 = 2;

/// Looks, and on a miss loads.
///
/// `look` finds the value, or says what a miss goes on with; `make` starts the load. Both have what was `given`, the one
/// to see and the other to keep. A hit allocates nothing and awaits nothing.
pub(crate) async fn obtain<T, K, V, R, G, F>(
    given: G,
    look: impl FnOnce(&G) -> Result<V, Load<K, V>>,
    keep_if: impl FnOnce(&V) -> bool,
    make: impl FnOnce(G) -> F,
) -> R
where
    K: Key,
    V: Value,
    R: Outcome<T, Value = V>,
    F: Future<Output = R>,
{
    let mut load = match look(&given) {
        Ok(value) => return R::hit(value),
        Err(load) => load,
    };
    while let Some(joined) = load.join().await {
        match load.make_of(joined) {
            ControlFlow::Break(outcome) => return outcome,
            ControlFlow::Continue(()) => {}
        }
    }
    let outcome = {
        let _edge = load.start();
        let future = pin!({
            let _running = load.running();
            make(given)
        });
        Run { load: &load, future }.await
    };
    load.end(&outcome, keep_if);
    load.instead(outcome)
}

/// Polls a load, known as running for as long as each poll takes. (With `poll_fn` there would be four functions to compile
/// for each load.)
pub(crate) struct Run<'l, K: Key, V: Value, F> {
    pub(crate) load: &'l Load<K, V>,
    pub(crate) future: Pin<&'l mut F>,
}

impl<K: Key, V: Value, F: Future> Future for Run<'_, K, V, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _running = self.load.running();
        self.future.as_mut().poll(cx)
    }
}

impl<K: Key, V: Value> Cache<K, V> {
    pub(crate) async fn find_or_load<T, R, F>(&self, key: K, load: impl FnOnce() -> F) -> R
    where
        R: Outcome<T, Value = V>,
        F: Future<Output = R>,
    {
        let shared = self.shared();
        let hash = shared.hash(&key);
        let look = move |(): &()| {
            shared
                .see(hash, &key, false)
                .map_err(|claim| Load::first(&shared, hash, key, None).with(claim))
        };
        obtain((), look, |_: &V| true, |()| load()).await
    }

    /// Loads now, in the place of whatever is under way.
    pub(crate) async fn reload<T, R, F>(&self, key: K, load: impl FnOnce() -> F) -> R
    where
        R: Outcome<T, Value = V>,
        F: Future<Output = R>,
    {
        let shared = self.shared();
        let look = move |(): &()| Err(Load::again(&shared, shared.hash(&key), key, None));
        obtain((), look, |_: &V| true, |()| load()).await
    }
}

/// What a caller finds where it would load.
pub(crate) enum Joined<V> {
    /// A value after all.
    Loaded(V),
    /// The failure of a load it waited for, or which was over when it asked again.
    Failed(SharedError),
    /// That of one which was over before it came.
    Kept(SharedError),
    /// That of the load it has left to others.
    Left(SharedError),
    /// The load that it has left to others is gone, and whether by a panic.
    Lost { has_panicked: bool },
}

/// A caller's way from a miss to a value. Dropped while it leads, it lands as failed.
pub(crate) struct Load<K: Key, V: Value> {
    shared: Arc<Shared<K, V>>,
    hash: u64,
    key: K,
    stage: Stage<K, V>,
    /// The tags that are known before the value is; none in a cache without tags.
    tags: Option<Vec<Tag>>,
    /// Makes those of the value that the cache itself does not know of.
    tag_value: Option<TagValue<V>>,
    /// Set once a load of somebody else is known to be of no use to this caller.
    alone: bool,
    /// Loads of others that panicked.
    panics: u32,
    /// The value that is served while this brings a new one.
    claim: Option<Claim>,
    /// Whether it was asked for, whatever the cache holds: then nothing else serves in its place.
    is_reload: bool,
}

enum Stage<K, V> {
    /// Has not entered the table.
    Missed,
    /// Has entered it, and waits for others.
    Waiting,
    /// Has left its load to others, and waits for its end.
    Left(Box<Waiter<Arc<Entry<K, V>>>>),
    /// Runs a load that is registered, and that others join.
    Leading(Arc<Flight<Arc<Entry<K, V>>>>),
    /// Runs a load that nobody can join and that is not kept.
    Alone,
    /// Runs a load that the cache has nothing to do with.
    Outside,
    /// Has come to an end.
    Ended,
}

impl<K: Key, V: Value> Load<K, V> {
    /// For one who has looked and found nothing. Not a part of the look, which is to stay small.
    #[inline(never)]
    pub(crate) fn first(shared: &Arc<Shared<K, V>>, hash: u64, key: K, labels: Option<Labels<V>>) -> Self {
        if world::is_disabled() {
            return Self::past(shared, key);
        }
        let has_tags = shared.has_tags() || labels.is_some();
        let (tags, tag_value) = labels.map_or_else(Default::default, |labels| (labels.tags, labels.tag_value));
        let tags = has_tags.then(|| {
            let mut tags = tags;
            shared.tag_key(&key, &mut tags);
            tags.into_set(shared.worlds())
        });
        Self {
            shared: Arc::clone(shared),
            hash,
            key,
            stage: Stage::Missed,
            tags,
            tag_value,
            alone: false,
            panics: 0,
            claim: None,
            is_reload: false,
        }
    }

    /// For one who is not to look: a function that is cached by session, called outside of any.
    #[inline(never)]
    pub(crate) fn outside(shared: &Arc<Shared<K, V>>, key: K) -> Self {
        shared.warn_of_no_session();
        Self::past(shared, key)
    }

    /// For one whom the cache has nothing to do with.
    fn past(shared: &Arc<Shared<K, V>>, key: K) -> Self {
        shared.counters.one(Count::Bypassed);
        Self {
            shared: Arc::clone(shared),
            hash: 0,
            key,
            stage: Stage::Outside,
            tags: None,
            tag_value: None,
            alone: false,
            panics: 0,
            claim: None,
            is_reload: false,
        }
    }

    /// What a load that begins now has to remember, if it has tags.
    fn origin(&self) -> Option<Origin> {
        Some(self.shared.index.begin(self.tags.clone()?))
    }

    /// Leads at once, in the place of whatever is under way.
    #[inline(never)]
    pub(crate) fn again(shared: &Arc<Shared<K, V>>, hash: u64, key: K, labels: Option<Labels<V>>) -> Self {
        let mut load = Self::first(shared, hash, key, labels);
        load.is_reload = true;
        if load.is_outside() {
            return load;
        }
        load.stage = Stage::Leading(shared.flights.supersede(hash, &load.key, load.origin()));
        load
    }

    /// For a load that nobody has asked for: it is no miss, and only a new value will do.
    pub(crate) fn unasked(mut self) -> Self {
        if !self.is_outside() {
            self.stage = Stage::Waiting;
            self.is_reload = true;
        }
        self
    }

    /// Leaves the load that is to be run to others, and from then on waits for it like everybody who joined.
    pub(crate) fn leave(&mut self) -> Option<Self> {
        let Stage::Leading(flight) = &self.stage else {
            return None;
        };
        let (flight, key, tags) = (Arc::clone(flight), self.key.clone(), self.tags.clone());
        self.stage = Stage::Left(Box::new(Waiter::first(&flight)));
        Some(Self {
            shared: Arc::clone(&self.shared),
            hash: self.hash,
            key,
            stage: Stage::Leading(flight),
            tags,
            tag_value: self.tag_value,
            alone: false,
            panics: 0,
            claim: self.claim.take(),
            is_reload: self.is_reload,
        })
    }

    /// For one who was to bring a new value, if that is what came of the look.
    pub(crate) fn with(mut self, claim: Option<Claim>) -> Self {
        self.claim = claim;
        self
    }

    /// The value that is served while this brings a new one, if that is so; and whether this has to load, because nobody else
    /// is at that. For loads that run in the background.
    pub(crate) fn served(&mut self) -> Option<(V, bool)> {
        let value = self.old_value()?;
        let (shared, hash, key) = (&self.shared, self.hash, &self.key);
        let claim = self.claim.as_ref()?;
        // It may have been replaced since it was looked at.
        let is_wanted = || shared.is_kept(hash, key, claim);
        let leads = match shared.flights.begin(hash, key, is_wanted, || self.origin()) {
            Some(flight) => {
                self.stage = Stage::Leading(flight);
                self.count(Count::Refreshes);
                true
            }
            None => {
                // Not asked for again by each hit, while the other is under way.
                claim.postpone(shared.freshness.retry_after);
                self.stage = Stage::Ended;
                false
            }
        };
        Some((value, leads))
    }

    /// The value that is served while somebody brings a new one, counted as a hit.
    fn old_value(&self) -> Option<V> {
        let claim = self.claim.as_ref()?;
        let value = claim.value()?;
        self.count(Count::Hits);
        if !claim.is_fresh() {
            self.count(Count::Stale);
        }
        Some(value)
    }

    pub(crate) fn count(&self, count: Count) {
        self.shared.counters.one(count);
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<K, V>> {
        &self.shared
    }

    /// The key, for one who goes on without the load.
    pub(crate) fn place(&self) -> (u64, K) {
        (self.hash, self.key.clone())
    }

    pub(crate) fn is_reload(&self) -> bool {
        self.is_reload
    }

    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The flight, of one who leads.
    pub(crate) fn flight(&self) -> Option<FlightId> {
        match &self.stage {
            Stage::Leading(flight) => Some(flight.id()),
            _ => None,
        }
    }

    /// Whether it is not to share the loads of others.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether the cache has nothing to do with it.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self.stage, Stage::Outside)
    }

    /// Waits for the load of somebody else, as long as there is one. `None` when this caller has to load. It may be dropped
    /// and called again.
    pub(crate) async fn join(&mut self) -> Option<Joined<V>> {
        loop {
            if matches!(self.stage, Stage::Leading(_) | Stage::Outside) {
                return None;
            }
            if let Stage::Left(left) = &mut self.stage {
                let _waiting = wait_for(left, &self.shared);
                let ending = left.await;
                self.stage = Stage::Waiting;
                return Some(self.ended_by_others(ending));
            }
            let (shared, hash, key) = (&self.shared, self.hash, &self.key);
            // Who is to bring a new value is not to be content with the old one.
            let look = || shared.recheck(hash, key, self.claim.is_none() && !self.is_reload);
            let entered = shared.flights.enter(hash, key, look, || shared.now(), || self.origin());
            let missed = matches!(self.stage, Stage::Missed);
            if let Entered::Joined(_) = entered
                && !self.alone
                && let Some(value) = self.old_value()
            {
                return Some(Joined::Loaded(value));
            }
            if let Entered::Present(entry) = entered {
                self.count(if missed { Count::Hits } else { Count::Coalesced });
                shared.count_if_stale(&entry);
                return Some(Joined::Loaded(entry.value.clone()));
            }
            if let Entered::Failed(failure) = &entered
                && !self.alone
            {
                let failure = Arc::clone(failure);
                // Who has waited has been counted.
                return Some(if missed {
                    Joined::Kept(failure)
                } else {
                    Joined::Failed(failure)
                });
            }
            if missed {
                self.stage = Stage::Waiting;
                self.count(Count::Misses);
            }
            let waiter = match entered {
                Entered::Joined(waiter) if !self.alone => waiter,
                Entered::Leading(flight) => {
                    self.stage = Stage::Leading(flight);
                    return None;
                }
                _ => {
                    self.stage = Stage::Alone;
                    return None;
                }
            };
            let _waiting = wait_for(&waiter, shared);
            match waiter.await {
                Ending::Loaded(entry) => {
                    self.count(Count::Coalesced);
                    return Some(Joined::Loaded(entry.value.clone()));
                }
                Ending::Failed(error) => return Some(Joined::Failed(error)),
                Ending::FailedAlone => self.alone = true,
                Ending::Panicked => self.note_panic(),
                Ending::Abandoned => {}
            }
        }
    }

    fn note_panic(&mut self) {
        self.panics += 1;
        self.alone = self.panics >= PATIENCE;
    }

    /// What the load that was left to others has come to.
    fn ended_by_others(&mut self, ending: Ending<Arc<Entry<K, V>>>) -> Joined<V> {
        match ending {
            Ending::Loaded(entry) => Joined::Loaded(entry.value.clone()),
            Ending::Failed(error) => Joined::Left(error),
            Ending::Panicked => {
                self.note_panic();
                Joined::Lost { has_panicked: true }
            }
            Ending::FailedAlone | Ending::Abandoned => Joined::Lost { has_panicked: false },
        }
    }

    /// What a caller returns of what it found, or that it goes on.
    pub(crate) fn make_of<T, R: Outcome<T, Value = V>>(&mut self, joined: Joined<V>) -> ControlFlow<R> {
        let (error, count) = match joined {
            Joined::Loaded(value) => return ControlFlow::Break(R::hit(value)),
            Joined::Failed(error) => (error, Some(Count::Coalesced)),
            Joined::Kept(error) => (error, Some(Count::NegativeHits)),
            Joined::Left(error) => (error, None),
            Joined::Lost { .. } => return ControlFlow::Continue(()),
        };
        let failed = R::from_failure(&error);
        // That there is nothing is no failure.
        let is_nothing = failed.as_ref().is_some_and(Outcome::is_nothing);
        if !is_nothing && let Some(value) = self.fallback() {
            return ControlFlow::Break(R::hit(value));
        }
        match failed {
            Some(failed) => {
                if let Some(count) = count {
                    self.count(count);
                }
                ControlFlow::Break(failed)
            }
            None => {
                // Another caller's error type.
                self.alone = true;
                ControlFlow::Continue(())
            }
        }
    }

    /// The old value, if one may serve in the place of what is loading or has failed.
    pub(crate) fn fallback(&self) -> Option<V> {
        if self.is_reload || self.is_outside() {
            return None;
        }
        self.shared.fallback(self.hash, &self.key)
    }

    /// What the caller returns of the outcome of its own load.
    pub(crate) fn instead<T, R: Outcome<T, Value = V>>(&self, outcome: R) -> R {
        if outcome.success().is_none()
            && !outcome.is_nothing()
            && let Some(value) = self.fallback()
        {
            return R::hit(value);
        }
        outcome
    }

    /// The load has come to an end.
    pub(crate) fn end<T, R: Outcome<T, Value = V>>(&mut self, outcome: &R, keep_if: impl FnOnce(&V) -> bool) {
        if let Some(value) = outcome.success() {
            if self.is_shared() {
                let keep = keep_if(value);
                self.succeed(value.clone(), keep);
            } else {
                self.stage = Stage::Ended;
            }
            return;
        }
        let error = if self.is_shared() { outcome.failure() } else { None };
        if outcome.is_nothing() {
            self.nothing(error);
        } else {
            self.fail(error.map_or(Ending::FailedAlone, Ending::Failed));
        }
    }

    /// The same for one that others have run, together with loads of other keys.
    pub(crate) fn bring(mut self, brought: Result<Option<V>, SharedError>, keep_if: impl FnOnce(&V) -> bool) {
        match brought {
            Ok(Some(value)) => {
                let keep = keep_if(&value);
                self.succeed(value, keep);
            }
            Ok(None) => self.nothing(Some(outcome::nothing())),
            Err(error) => self.fail(Ending::Failed(error)),
        }
    }

    /// The load is about to run. If it does so inside another one, that waits for it as long as the result lives.
    pub(crate) fn start(&self) -> Option<Edge> {
        if !matches!(self.stage, Stage::Outside) {
            self.count(Count::Loads);
        }
        match &self.stage {
            Stage::Leading(flight) => reentry::start(flight.id()),
            _ => None,
        }
    }

    /// For as long as the load is polled.
    pub(crate) fn running(&self) -> Option<Running> {
        match &self.stage {
            Stage::Leading(flight) => Some(Running::enter(flight.id())),
            _ => None,
        }
    }

    /// Whether others can join it, so that they have to hear of its end.
    fn is_shared(&self) -> bool {
        matches!(self.stage, Stage::Leading(_))
    }

    fn succeed(&mut self, value: V, keep: bool) {
        // Foreign code, all of it, so before any lock: the tags, the clone, the weight.
        let tags = self.tags.take().map_or_else(Vec::new, |tags| {
            let mut tags = Tags::from(tags);
            self.shared.tag_value(&value, &mut tags);
            if let Some(tag_value) = self.tag_value {
                tag_value(&value, &mut tags);
            }
            tags.into_set(self.shared.worlds())
        });
        let entry = self.shared.entry(self.hash, self.key.clone(), value, None);
        self.land(entry, keep, &tags);
    }

    fn land(&mut self, entry: Arc<Entry<K, V>>, keep: bool, tags: &[Tag]) {
        // Before, so that what has expired takes nobody's room.
        self.shared.reclaim_some();
        let Stage::Leading(flight) = std::mem::replace(&mut self.stage, Stage::Ended) else {
            return;
        };
        let (shared, hash, key) = (&self.shared, self.hash, &self.key);
        let ending = Ending::Loaded(Arc::clone(&entry));
        let replaced = shared.flights.land(hash, key, &flight, ending, |may_be_kept| {
            let origin = flight.origin();
            let replaced = match (may_be_kept, keep) {
                (true, true) => {
                    let began = origin.map_or(tag::NOW, Origin::began);
                    shared.keep_tagged(Arc::clone(&entry), tags, began)
                }
                // What a reload found is not to be kept, and what it came to replace is older still.
                (true, false) => shared.push_out(hash, key),
                (false, _) => None,
            };
            (replaced, origin.map_or(tag::NEVER, |origin| origin.outdated_from(tags)))
        });
        drop((replaced, entry));
        shared.settle_soon();
    }

    fn fail(&mut self, ending: Ending<Arc<Entry<K, V>>>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        if !matches!(stage, Stage::Leading(_) | Stage::Alone) {
            return;
        }
        // What has taken its place is none of its concern.
        let is_detached = match &stage {
            Stage::Leading(flight) => !self.shared.flights.has(self.hash, &self.key, flight),
            _ => false,
        };
        // All of it before those who wait hear of it, and load in their turn.
        if !is_detached && !matches!(ending, Ending::Abandoned) {
            self.shared.postpone(self.hash, &self.key);
        }
        self.claim = None;
        self.count(Count::LoadFailures);
        self.shared.observers().write_failure(|| self.key.clone());
        if let Stage::Leading(flight) = stage {
            self.land_failure(&flight, ending);
        }
        self.shared.observers().deliver();
    }

    /// There is no value, which is no failure, and so there is none any more. Whoever waits hears of it in the way of a
    /// failure.
    fn nothing(&mut self, nothing: Option<SharedError>) {
        let (shared, hash, key) = (&self.shared, self.hash, &self.key);
        let Stage::Leading(flight) = std::mem::replace(&mut self.stage, Stage::Ended) else {
            return;
        };
        let Some(nothing) = nothing else {
            return self.land_failure(&flight, Ending::FailedAlone);
        };
        let mut former = None;
        let keep = shared.freshness.failure_ttl(true);
        let keep = keep.map_or(KeepFailure::NOT, |ttl| shared.keep_failure(ttl));
        let push_out = || {
            former = shared.push_out(hash, key);
            true
        };
        shared.flights.land_failure(hash, key, &flight, nothing, keep, push_out);
        drop(former);
        shared.have_watched();
        shared.settle_soon();
    }

    fn land_failure(&self, flight: &Arc<Flight<Arc<Entry<K, V>>>>, ending: Ending<Arc<Entry<K, V>>>) {
        let (shared, hash, key) = (&self.shared, self.hash, &self.key);
        match (ending, shared.freshness.failure_ttl(false)) {
            (Ending::Failed(failure), Some(ttl)) => {
                // What there is to serve is better than a failure.
                let is_wanted = || !shared.has(hash, key);
                let keep = shared.keep_failure(ttl);
                shared.flights.land_failure(hash, key, flight, failure, keep, is_wanted);
                shared.have_watched();
            }
            (ending, _) => {
                shared.flights.land(hash, key, flight, ending, |_| ((), tag::NEVER));
            }
        }
    }
}

/// Says that the load which is running here, if any, waits for another, until the result is dropped.
fn wait_for<K: Key, V: Value>(waiter: &Waiter<Arc<Entry<K, V>>>, shared: &Shared<K, V>) -> Option<Edge> {
    let Ok(edge) = reentry::wait(waiter.id()) else {
        panic!(
            "cache `{}`: this load would wait for itself, because it asks for the key it is loading; call the uncached \
             function there, or ask for another key",
            shared.name
        )
    };
    edge
}

impl<K: Key, V: Value> Drop for Load<K, V> {
    fn drop(&mut self) {
        self.fail(if std::thread::panicking() {
            Ending::Panicked
        } else {
            Ending::Abandoned
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;
    use crate::clock::Clock;

    /// Between the look and the refresh somebody may have brought a new value, which is not to be refreshed at once.
    #[tokio::test]
    async fn what_has_been_replaced_meanwhile_is_not_refreshed() {
        let clock = Clock::manual();
        let cache = Cache::<u64, u64>::builder()
            .ttl(Duration::from_secs(1))
            .stale_while_revalidate(Duration::from_secs(9))
            .retry_after(Duration::from_secs(60))
            .clock(clock.clone())
            .build();
        let shared = cache.shared();
        let hash = shared.hash(&7);
        let look = || shared.see(hash, &7, true);
        let serve = |claim| Load::first(&shared, hash, 7, None).with(claim).served();

        cache.insert(7, 1).await;
        clock.advance(Duration::from_secs(1));
        let claim = look().expect_err("it is due");
        cache.insert(7, 2).await;
        assert_eq!(serve(claim), Some((1, false)));
        assert_eq!((shared.flights.occupancy(), cache.stats().refreshes), (0, 0));

        // Nor has the new one to wait for its own refresh because of that.
        clock.advance(Duration::from_secs(1));
        let claim = look().expect_err("it is due as well");
        assert_eq!(serve(claim), Some((2, true)));
    }

    /// P5: whatever becomes of loads, mutations and waiters, the table of flights is empty afterwards.
    #[tokio::test]
    async fn nothing_is_left_of_what_ended() {
        let cache = Cache::<u64, u64>::builder().build();
        let occupancy = || cache.shared().flights.occupancy();

        cache.get_or_load(1, || async { 1 }).await;
        let _ = cache.try_get_or_load(2, || async { Err("no") }).await;
        let _ = cache.try_get_or_load_unshared(3, || async { Err(()) }).await;
        let panicking = cache.get_or_load(4, || async { panic!("told to") });
        assert!(std::panic::AssertUnwindSafe(panicking).catch_unwind().await.is_err());
        assert_eq!(occupancy(), 0);

        {
            let mut loading = Box::pin(cache.get_or_load(5, pending));
            let mut waiting = Box::pin(cache.get_or_load(5, pending));
            assert!((&mut loading).now_or_never().is_none() && (&mut waiting).now_or_never().is_none());
            assert_eq!(occupancy(), 1);
            drop(loading);
            assert!((&mut waiting).now_or_never().is_none(), "the waiter loads now");
            assert_eq!(occupancy(), 1);
        }
        assert_eq!(occupancy(), 0);

        let guards = [
            cache.begin_mutation(&6).await,
            cache.begin_mutation(&6).await,
            cache.begin_mutation_all().await,
        ];
        assert!(occupancy() > 0);
        drop(guards);
        assert_eq!(occupancy(), 0);

        // A burst leaves no room behind either.
        let burst: Vec<_> = (100..1_100)
            .map(|key| Box::pin(cache.get_or_load(key, pending)))
            .collect();
        let polled = burst.into_iter().map(|mut load| {
            assert!((&mut load).now_or_never().is_none());
            load
        });
        let burst: Vec<_> = polled.collect();
        assert_eq!(occupancy(), 1_000);
        drop(burst);
        assert_eq!(occupancy(), 0);
    }
}
