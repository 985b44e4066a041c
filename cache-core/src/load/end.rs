//! How a load ends: its value is kept or not, its failure is counted and kept or not, and who waits is told.

use std::sync::Arc;

use super::{Load, Stage};
use crate::flight::{Ending, Flight, KeepFailure, SharedError};
use crate::key::{Key, Value};
use crate::outcome::{self, Outcome};
use crate::stats::Count;
use crate::store::Entry;
use crate::tag::{self, Origin, Tag, Tags};
use crate::warm;

impl<K: Key, V: Value> Load<K, V> {
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
            warm::note_failure();
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
            if let Some(claim) = &self.claim {
                claim.postpone(self.shared.freshness.retry_after);
            }
        }
        if let (Ending::Panicked, Some(claim)) = (&ending, &self.claim) {
            claim.note_panic(&self.shared, self.hash);
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

impl<K: Key, V: Value> Drop for Load<K, V> {
    fn drop(&mut self) {
        self.fail(if std::thread::panicking() {
            Ending::Panicked
        } else {
            Ending::Abandoned
        });
    }
}
