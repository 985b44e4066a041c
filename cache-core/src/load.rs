//! What a miss does: join the load of its key, or run it for everybody.
//!
//! All loads of a cache go through here: a first load, and a reload, which differs only in that it takes the place of
//! a load that is under way where a first load would join it.

use std::future::Future;
use std::sync::Arc;

use crate::cache::Cache;
use crate::flight::{Ending, Entered, Flight};
use crate::key::{Key, Value};
use crate::outcome::{Kind, Outcome};
use crate::reentry;
use crate::shared::Shared;
use crate::stats::{Count, Counters};
use crate::store::{Entry, Store};

/// After so many loads of others that panicked, a caller loads for itself: a load that always panics must not make
/// its callers wait for one another in line.
const PATIENCE: u32 = 2;

impl<K: Key, V: Value> Cache<K, V> {
    pub(crate) async fn find_or_load<const KIND: u8, R, F, Fut>(&self, key: K, kind: Kind<KIND>, load: F) -> R
    where
        R: Outcome<KIND, Value = V>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
    {
        let hash = self.shared().hash(&key);
        match self.shared().find(hash, &key) {
            Some(value) => R::hit(value),
            None => self.load(hash, key, kind, |_: &V| true, load).await,
        }
    }

    /// For one who has looked and found nothing.
    pub(crate) async fn load<const KIND: u8, R, F, Fut>(
        &self,
        hash: u64,
        key: K,
        _kind: Kind<KIND>,
        keep_if: impl FnOnce(&V) -> bool,
        load: F,
    ) -> R
    where
        R: Outcome<KIND, Value = V>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
    {
        let shared = self.shared();
        let mut missed = false;
        let mut panics = 0;
        // Set once a load of somebody else is known to be of no use to this caller.
        let mut alone = false;
        loop {
            let entered = shared.flights.enter(hash, &key, || shared.recheck(hash, &key));
            if let Entered::Present(entry) = entered {
                shared.counters.one(if missed { Count::Coalesced } else { Count::Hits });
                return R::hit(entry.value.clone());
            }
            if !std::mem::replace(&mut missed, true) {
                shared.counters.one(Count::Misses);
            }
            let waiter = match entered {
                Entered::Leading(flight) => {
                    let lead = Lead::new(shared, hash, key, flight);
                    return lead.run(keep_if, load).await;
                }
                Entered::Joined(waiter) if !alone => waiter,
                _ => return load_alone(shared, load).await,
            };
            let waiting = reentry::wait(waiter.id());
            assert!(
                waiting.is_ok(),
                "cache `{}`: this load would wait for itself, because it asks for the key it is loading; call the \
                 uncached function there, or ask for another key",
                shared.name
            );
            match waiter.await {
                Ending::Loaded(entry) => {
                    shared.counters.one(Count::Coalesced);
                    return R::hit(entry.value.clone());
                }
                Ending::Failed(error) => match R::from_failure(&error) {
                    Some(failed) => {
                        shared.counters.one(Count::Coalesced);
                        return failed;
                    }
                    // Another caller's error type.
                    None => alone = true,
                },
                Ending::FailedAlone => alone = true,
                Ending::Panicked => {
                    panics += 1;
                    alone = panics >= PATIENCE;
                }
                Ending::Abandoned => {}
            }
        }
    }

    /// Loads now, in the place of whatever is under way.
    pub(crate) async fn reload<const KIND: u8, R, F, Fut>(
        &self,
        hash: u64,
        key: K,
        _kind: Kind<KIND>,
        keep_if: impl FnOnce(&V) -> bool,
        load: F,
    ) -> R
    where
        R: Outcome<KIND, Value = V>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
    {
        let shared = self.shared();
        let flight = shared.flights.supersede(hash, &key);
        Lead::new(shared, hash, key, flight).run(keep_if, load).await
    }
}

/// A load that nobody can join and that is not kept.
async fn load_alone<const KIND: u8, K: Key, V: Value, R, F, Fut>(shared: &Shared<K, V>, load: F) -> R
where
    R: Outcome<KIND, Value = V>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    shared.counters.one(Count::Loads);
    let mut counted = Counted(&shared.counters, false);
    let outcome = load().await;
    counted.1 = outcome.success().is_some();
    outcome
}

/// Counts a load that does not come to a good end as failed.
struct Counted<'c>(&'c Counters, bool);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.one(Count::LoadFailures);
        }
    }
}

/// A registered load, from before it starts until it has landed. Dropped earlier, it lands as failed.
struct Lead<'c, K: Key, V: Value> {
    shared: &'c Arc<Shared<K, V>>,
    hash: u64,
    key: K,
    flight: Arc<Flight<Arc<Entry<K, V>>>>,
    landed: bool,
}

impl<'c, K: Key, V: Value> Lead<'c, K, V> {
    fn new(shared: &'c Arc<Shared<K, V>>, hash: u64, key: K, flight: Arc<Flight<Arc<Entry<K, V>>>>) -> Self {
        Self {
            shared,
            hash,
            key,
            flight,
            landed: false,
        }
    }

    async fn run<const KIND: u8, R, F, Fut>(mut self, keep_if: impl FnOnce(&V) -> bool, load: F) -> R
    where
        R: Outcome<KIND, Value = V>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
    {
        self.shared.counters.one(Count::Loads);
        let outcome = reentry::run(self.flight.id(), async { load().await }).await;
        match outcome.success() {
            Some(value) => {
                // Foreign code, all of it, so before any lock: whether to keep it, the clone, the weight.
                let keep = keep_if(value);
                let entry = self
                    .shared
                    .entry(self.hash, self.key.clone(), value.clone(), self.shared.ttl);
                self.succeed(entry, keep);
            }
            None => {
                let ending = outcome.failure().map_or(Ending::FailedAlone, Ending::Failed);
                self.fail(ending);
            }
        }
        outcome
    }

    fn succeed(&mut self, entry: Arc<Entry<K, V>>, keep: bool) {
        // Before, so that what has expired takes nobody's room.
        self.shared.reclaim_some();
        self.landed = true;
        let Self {
            shared,
            hash,
            key,
            flight,
            ..
        } = self;
        let ending = Ending::Loaded(Arc::clone(&entry));
        let mortal = entry.is_mortal();
        let replaced = shared.flights.land(*hash, key, flight, ending, || {
            if keep {
                shared.keep(Arc::clone(&entry))
            } else {
                // What a reload found is not to be kept, and what it came to replace is older still.
                shared.store.remove(*hash, key)
            }
        });
        drop((replaced, entry));
        self.shared.settle_soon(mortal);
    }

    fn fail(&mut self, ending: Ending<Arc<Entry<K, V>>>) {
        self.landed = true;
        self.shared.counters.one(Count::LoadFailures);
        let Self {
            shared,
            hash,
            key,
            flight,
            ..
        } = self;
        shared.flights.land(*hash, key, flight, ending, || ());
    }
}

impl<K: Key, V: Value> Drop for Lead<'_, K, V> {
    fn drop(&mut self) {
        if !self.landed {
            self.fail(if std::thread::panicking() {
                Ending::Panicked
            } else {
                Ending::Abandoned
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt as _;

    use super::*;

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
