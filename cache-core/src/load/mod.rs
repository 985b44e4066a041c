//! What a miss does: join the load of its key, or run it for everybody.
//!
//! All loads of a cache are a [`Load`]: a first load, a reload, which takes the place of a load that is under way where a first
//! load would join it, a refresh in the background, one of a batch. It knows only keys and values. How a caller gets on from
//! a miss is in `join`, what becomes of a load at its end in `end`. Who runs the user's future is in `inline`, for the
//! caller itself, in [`detached`](crate::detached), for tasks, and in [`batch`](crate::batch).

mod end;
mod inline;
mod join;

use std::sync::Arc;

pub(crate) use self::inline::{Run, obtain};
pub(crate) use self::join::Joined;
use crate::flight::{Flight, FlightId, Waiter};
use crate::key::{Key, Value};
use crate::reentry::{self, Edge, Running};
use crate::shared::{Claim, Shared};
use crate::stats::Count;
use crate::store::Entry;
use crate::tag::{Labels, Origin, Tag, TagValue};
use crate::{warm, world};

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
    /// The value that is served while this brings a new one. Seldom there, and so in a box.
    claim: Option<Box<Claim>>,
    /// Which values that somebody else has brought will do; all of them, if it is not said.
    accepts: Option<Accepts<V>>,
    /// Failures of loads that began before are of no use to this caller, if that is said.
    failures_since: Option<FlightId>,
    /// Whether it was asked for, whatever the cache holds: then nothing else serves in its place.
    is_reload: bool,
}

/// Whether a value will do.
pub(crate) type Accepts<V> = Arc<dyn Fn(&V) -> bool + Send + Sync>;

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
        let load = Self {
            shared: Arc::clone(shared),
            hash,
            key,
            stage: Stage::Missed,
            tags,
            tag_value,
            alone: false,
            panics: 0,
            claim: None,
            accepts: None,
            failures_since: None,
            is_reload: false,
        };
        if warm::note_miss() { load.unasked() } else { load }
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
            accepts: None,
            failures_since: None,
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
            accepts: None,
            failures_since: None,
            is_reload: self.is_reload,
        })
    }

    /// For one who was to bring a new value, if that is what came of the look.
    pub(crate) fn with(mut self, claim: Option<Claim>) -> Self {
        // An old value is of no use to a warm-up.
        if !self.is_reload || claim.as_ref().is_some_and(Claim::is_fresh) {
            self.claim = claim.map(Box::new);
        }
        self
    }

    /// For one whom not every value will do that somebody else brings, nor the failure of every load.
    pub(crate) fn accepting(
        mut self,
        accepts: impl Fn(&V) -> bool + Send + Sync + 'static,
        failures_since: Option<FlightId>,
    ) -> Self {
        self.accepts = Some(Arc::new(accepts));
        self.failures_since = failures_since;
        self
    }

    /// Whether a value will do.
    fn accepts(&self, value: &V) -> bool {
        self.accepts.as_ref().is_none_or(|accepts| accepts(value))
    }

    /// Which values will do, for one who goes on without the load.
    pub(crate) fn acceptable(&self) -> Option<Accepts<V>> {
        self.accepts.clone()
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
                if let Some(claim) = &mut self.claim {
                    claim.is_silent = true;
                }
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
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;
    use crate::cache::Cache;
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
