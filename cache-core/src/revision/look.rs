//! The look of a call: the revision that it has read is compared with that of what is kept, and what comes of it is a value, or a load
//! like any other, which knows which values of others are good enough for its caller (`Load::accepting`).

use std::fmt;
use std::sync::{Arc, Weak};

use equivalent::Equivalent;

use super::failure::{BackgroundError, During, SourceError};
use super::revised::{About, Revised, Revision};
use super::{Gate, Number, Status};
use crate::clock::{Clock, Nanos};
use crate::flight::FlightId;
use crate::key::{Key, Value};
use crate::load::Load;
use crate::shared::{Claim, Shared};
use crate::stats::Count;
use crate::store::{Entry, Look, Standing, Store as _};
use crate::tag::Labels;
use crate::{warm, world};

/// A call that is about to read the revision.
#[derive(Clone, Copy, Debug)]
pub struct Asked(Nanos);

/// What it has read.
#[derive(Debug)]
pub struct Question<N> {
    /// Or why it could not be read.
    revision: Result<N, BackgroundError>,
    /// When it began to read.
    asked_at: Nanos,
    /// How many loads had begun when it had read.
    loads: Number,
    /// The same of flights, which may fail.
    flights: FlightId,
}

/// What a call has found: a value, or that it has to see to one.
pub struct Looked<K: Key, V: Value> {
    pub(super) found: Result<Revised<V>, Bring<K, V>>,
    pub(super) status: Status,
    pub(super) clock: Clock,
}

impl<K: Key, V: Value> fmt::Debug for Looked<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looked")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Somebody has to see to a value.
pub(super) struct Bring<K: Key, V: Value> {
    pub(super) load: Load<K, Revised<V>>,
    /// What it will be kept under.
    pub(super) revision: Option<Revision>,
    /// Why that could not be read.
    pub(super) unread: Option<BackgroundError>,
    /// What is served meanwhile, if something is.
    pub(super) served: Option<Weak<About>>,
}

impl<K: Key, V: Value> Shared<K, Revised<V>> {
    pub(crate) fn ask(&self) -> Asked {
        // By the cheap clock, which may be behind: that counts against the old value.
        Asked(self.clock().about_now())
    }

    /// What the call has read, right after it has.
    pub(crate) fn asked<N>(&self, asked: Asked, read: Result<N, SourceError>) -> Question<N> {
        Question {
            revision: read.map_err(SourceError::into_background),
            asked_at: asked.0,
            loads: self.gate().loads(),
            flights: FlightId::now(),
        }
    }

    /// Looks, and makes ready what has to be loaded. `is_forced` for one who has it rebuilt, whatever there is.
    pub(crate) fn look_revised<Q, N>(
        self: &Arc<Self>,
        hash: u64,
        key: &Q,
        owned: impl FnOnce() -> K,
        question: Question<N>,
        labels: Option<Labels<Revised<V>>>,
        is_forced: bool,
    ) -> Looked<K, V>
    where
        Q: Equivalent<K> + ?Sized,
        N: Eq + Send + Sync + 'static,
    {
        let gate = self.gate();
        let seen = if is_forced {
            Seen::Changed(None)
        } else {
            self.see_revised(gate, hash, key, &question)
        };
        let (revision, unread) = match question.revision {
            Ok(revision) => {
                gate.failures.forget(hash, During::Revision);
                (Some(revision), None)
            }
            Err(failure) => (None, Some(failure)),
        };
        let clock = self.clock().clone();
        let claim = match seen {
            Seen::Serve(value, status) => {
                if let Some(failure) = unread {
                    gate.failures.note(hash, Arc::downgrade(value.about()), failure);
                }
                return Looked {
                    found: Ok(value),
                    status,
                    clock,
                };
            }
            Seen::Nothing => Err(Status::Miss),
            Seen::Changed(None) => Err(Status::Reloaded),
            Seen::Changed(Some(claim)) => Ok(claim),
        };
        let revision = revision.map(Revision::new);
        let load = if is_forced {
            Load::again(self, hash, owned(), labels)
        } else {
            let accepts = self.acceptable(revision.clone(), question.loads);
            let failures_since = revision.is_some().then_some(question.flights);
            Load::first(self, hash, owned(), labels).accepting(accepts, failures_since)
        };
        let (load, status, served) = match claim {
            Err(status) => (load, status, None),
            Ok((claim, served)) => (load.with(Some(claim)), Status::Stale, Some(served)),
        };
        Looked {
            found: Err(Bring {
                load,
                revision,
                unread,
                served,
            }),
            status,
            clock,
        }
    }

    /// Whether a value that somebody else has loaded is good for a call that has read this revision, when so many loads had
    /// begun; or for one that could not read any. What was loaded after it had is, however long that took: otherwise such
    /// callers would load one after the other.
    fn acceptable(
        self: &Arc<Self>,
        revision: Option<Revision>,
        loads: Number,
    ) -> impl Fn(&Revised<V>) -> bool + Send + Sync + use<K, V> {
        let shared = Arc::clone(self);
        move |value| {
            let about = value.about();
            match &revision {
                None => about.began_after(loads) || !shared.gate().is_too_stale(about.staleness(shared.now())),
                Some(revision) => about.is_good_for(revision, loads),
            }
        }
    }

    fn see_revised<Q, N>(&self, gate: &Gate, hash: u64, key: &Q, question: &Question<N>) -> Seen<V>
    where
        Q: Equivalent<K> + ?Sized,
        N: Eq + 'static,
    {
        if world::is_disabled() {
            return Seen::Nothing;
        }
        let look = |entry: &Arc<Entry<K, Revised<V>>>, standing: Standing| {
            if !standing.is_fresh() {
                return None;
            }
            let about = entry.value.about();
            let is_current = match &question.revision {
                Ok(revision) if about.is_of(revision) => {
                    about.confirm(question.asked_at, gate.grain());
                    true
                }
                Ok(_) => about.began_after(question.loads),
                Err(_) => false,
            };
            Some(if is_current {
                Ok(entry.value.clone())
            } else {
                Err(Arc::clone(entry))
            })
        };
        let entry = match self.store.look(hash, key, Look::Use, self.clock(), look).flatten() {
            None => return Seen::Nothing,
            Some(Ok(value)) => {
                self.count_hit();
                return Seen::Serve(value, Status::HitRevision);
            }
            Some(Err(entry)) => entry,
        };
        let (now, about) = (self.now(), entry.value.about());
        let has_failed = question.revision.is_err();
        if gate.is_too_stale(about.staleness(now)) || !(has_failed || gate.serves_stale()) {
            return Seen::Changed(None);
        }
        // A warm-up takes no old value.
        if !has_failed && warm::is_asking() {
            return Seen::Changed(None);
        }
        if !has_failed && about.claim(now) {
            let (about, served) = (Arc::clone(about), Arc::downgrade(about));
            let claim = Claim::of_revision(entry, self.clock().clone(), about);
            return Seen::Changed(Some((claim, served)));
        }
        self.count_hit();
        self.counters.one(Count::Stale);
        let status = if has_failed { Status::Unverified } else { Status::Stale };
        Seen::Serve(entry.value.clone(), status)
    }
}

enum Seen<V> {
    /// A value, and what it is.
    Serve(Revised<V>, Status),
    Nothing,
    /// A value that does not serve, unless it is claimed by this call, which is to bring a new one.
    Changed(Option<(Claim, Weak<About>)>),
}
