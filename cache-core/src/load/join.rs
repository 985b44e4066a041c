//! From a miss to somebody else's load, or to a load of one's own.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Load, Stage};
use crate::flight::{Ending, Entered, SharedError, Waiter};
use crate::key::{Key, Value};
use crate::outcome::Outcome;
use crate::reentry::{self, Edge};
use crate::shared::Shared;
use crate::stats::Count;
use crate::store::Entry;
use crate::warm;

/// After so many loads of others that panicked, a caller loads for itself: a load that always panics must not make
/// its callers wait for one another in line.
const PATIENCE: u32 = 2;

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

impl<K: Key, V: Value> Load<K, V> {
    /// Waits for the load of somebody else, as long as there is one. `None` when this caller has to load. It may be dropped
    /// and called again.
    pub(crate) async fn join(&mut self) -> Option<Joined<V>> {
        // What is there and will not do. To find that out is foreign code, and so is the last drop of a value: not under the lock.
        let mut refused: Option<Arc<Entry<K, V>>> = None;
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
            let look = || {
                let present = shared.recheck(hash, key, self.claim.is_none() && !self.is_reload);
                present.filter(|entry| refused.as_ref().is_none_or(|refused| !Arc::ptr_eq(refused, entry)))
            };
            let entered = shared.flights.enter(hash, key, look, || shared.now(), || self.origin());
            let missed = matches!(self.stage, Stage::Missed);
            if let Entered::Joined(_) = entered
                && !self.alone
                && let Some(value) = self.old_value()
            {
                return Some(Joined::Loaded(value));
            }
            if let Entered::Present(entry) = entered {
                if !self.accepts(&entry.value) {
                    refused = Some(entry);
                    continue;
                }
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
            refused = None;
            let _waiting = wait_for(&waiter, shared);
            let flight = waiter.id();
            match waiter.await {
                // It began too early, or it is of another revision: this load is another one.
                Ending::Loaded(entry) if !self.accepts(&entry.value) => {}
                Ending::Loaded(entry) => {
                    self.count(Count::Coalesced);
                    return Some(Joined::Loaded(entry.value.clone()));
                }
                // It may have failed for what is different by now.
                Ending::Failed(_) if self.failures_since.is_some_and(|since| !flight.is_since(since)) => {}
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
                if !is_nothing {
                    warm::note_failure();
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
        self.shared.fallback(self.hash, &self.key, |value| self.accepts(value))
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
