//! The way of a call through a cache of [`Revised`] values: what it has read is compared, and the rest is a load like any other.
//!
//! A load brings its value together with what is [`About`] it, and knows which values of others are good enough for its caller
//! (`Load::accepting`): that is all that loads, flights and stores have to do with revisions.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use equivalent::Equivalent;

use super::failure::{BackgroundError, During, SourceError};
use super::revised::{About, Revised, Revision};
use super::{Gate, Lookup, Number, Status};
use crate::clock::{Clock, Nanos};
use crate::key::{Key, Value};
use crate::load::{Load, obtain};
use crate::outcome::{Mapped, Outcome};
use crate::shared::{Claim, Shared};
use crate::stats::Count;
use crate::store::{Entry, Look, Standing, Store as _};
use crate::tag::Labels;
use crate::{detached, warm, world};

/// What is kept of an outcome in such a cache.
type Kept<T, R> = <R as Mapped<T>>::With<Revised<<R as Mapped<T>>::Success>>;

/// Says what an error was, if it can.
pub type Describe<R> = fn(&R) -> Option<String>;

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
}

/// What a call has found: a value, or that it has to see to one.
pub struct Looked<K: Key, V: Value> {
    found: Result<Revised<V>, Bring<K, V>>,
    status: Status,
    clock: Clock,
}

impl<K: Key, V: Value> fmt::Debug for Looked<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looked")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Somebody has to see to a value.
struct Bring<K: Key, V: Value> {
    load: Load<K, Revised<V>>,
    /// What it will be kept under.
    revision: Option<Revision>,
    /// Why that could not be read.
    unread: Option<BackgroundError>,
    /// What is served meanwhile, if something is.
    served: Option<Weak<About>>,
}

/// What a call has come to.
pub struct Found<T, R: Mapped<T>> {
    outcome: Kept<T, R>,
    status: Status,
    clock: Clock,
}

impl<T, R: Mapped<T>> fmt::Debug for Found<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
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
            Load::first(self, hash, owned(), labels).accepting(accepts)
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

/// A load that has begun. What it reads, it reads after this was made.
struct Begun<K, V> {
    shared: Arc<Shared<K, Revised<V>>>,
    hash: u64,
    about: About,
    /// What is served meanwhile, if something is: then nobody else will hear of a failure.
    served: Option<Weak<About>>,
}

impl<K: Key, V: Value> Begun<K, V> {
    fn new(
        shared: Arc<Shared<K, Revised<V>>>,
        hash: u64,
        revision: Option<Revision>,
        served: Option<Weak<About>>,
    ) -> Self {
        let about = About::new(revision, shared.gate().begin(), shared.now());
        Self {
            shared,
            hash,
            about,
            served,
        }
    }

    /// Runs the load, and puts to what it brings what is about it.
    async fn run<T, R, F>(self, future: F, describe: Describe<R>) -> Kept<T, R>
    where
        R: Mapped<T, Success = V, With<Revised<V>>: Outcome<R::As, Value = Revised<V>>>,
        F: Future<Output = R>,
    {
        let Self {
            shared,
            hash,
            about,
            served,
        } = self;
        let outcome = future.await;
        let mut message = None;
        let has_failed = outcome.has_failed();
        if has_failed && served.is_some() {
            message = Some(describe(&outcome).unwrap_or_else(|| "its error has no text".to_owned()));
        }
        let kept = outcome.map(|value| Revised::new(value, about));
        let failures = &shared.gate().failures;
        if let (Some(message), Some(served)) = (message, served) {
            failures.note(hash, served, BackgroundError::refresh(message, kept.failure()));
        } else if !has_failed {
            failures.forget(hash, During::Refresh);
        }
        kept
    }
}

/// A caller who could not read the revision, and is not told so if he is given a value.
struct Unread<K, V> {
    shared: Arc<Shared<K, Revised<V>>>,
    hash: u64,
    failure: BackgroundError,
}

impl<K: Key, V: Value> Unread<K, V> {
    fn new(failure: Option<BackgroundError>, shared: &Arc<Shared<K, Revised<V>>>, hash: u64) -> Option<Self> {
        failure.map(|failure| Self {
            shared: Arc::clone(shared),
            hash,
            failure,
        })
    }

    fn note(this: Option<Self>, value: Option<&Revised<V>>) {
        if let (Some(this), Some(value)) = (this, value) {
            this.shared
                .gate()
                .failures
                .note(this.hash, Arc::downgrade(value.about()), this.failure);
        }
    }
}

/// How a call came to its value that was to be given an old one, if that is there still, and may have waited for a new one.
fn status_of<V>(status: Status, served: Option<&Weak<About>>, value: Option<&Revised<V>>) -> Status {
    match (served, value) {
        (Some(served), Some(value)) if served.as_ptr() != Arc::as_ptr(value.about()) => Status::Reloaded,
        _ => status,
    }
}

/// Goes on from a look, with a load that the caller runs.
pub(crate) async fn obtain_here<T, K, V, R, F>(
    looked: Looked<K, V>,
    keep_if: impl FnOnce(&V) -> bool,
    describe: Describe<R>,
    make: impl FnOnce() -> F,
) -> Found<T, R>
where
    K: Key,
    V: Value,
    R: Mapped<T, Success = V, With<Revised<V>>: Outcome<R::As, Value = Revised<V>>>,
    F: Future<Output = R>,
{
    let Looked {
        found,
        mut status,
        clock,
    } = looked;
    let outcome = match found {
        Ok(value) => Kept::<T, R>::hit(value),
        Err(Bring {
            load,
            revision,
            unread,
            served,
        }) => {
            let (shared, hash) = (Arc::clone(load.shared()), load.hash());
            let unread = Unread::new(unread, &shared, hash);
            let make = |()| {
                // Its caller hears of a failure.
                let begun = Begun::new(shared, hash, revision, None);
                begun.run::<T, R, F>(make(), describe)
            };
            let keep_if = |kept: &Revised<V>| keep_if(kept.value());
            // In a box, so that the future of a hit has no room for it.
            let outcome: Kept<T, R> = Box::pin(obtain((), |(): &()| Err(load), keep_if, make)).await;
            let value = outcome.success();
            status = status_of(status, served.as_ref(), value);
            Unread::note(unread, value);
            outcome
        }
    };
    Found { outcome, status, clock }
}

/// The same with a load that is a task of its own.
pub(crate) async fn obtain_spawned<T, K, V, R, F>(
    looked: Looked<K, V>,
    keep_if: fn(&V) -> bool,
    describe: Describe<R>,
    make: impl FnOnce() -> F,
) -> Found<T, R>
where
    T: 'static,
    K: Key,
    V: Value,
    R: Mapped<T, Success = V, As: 'static, With<Revised<V>>: Outcome<R::As, Value = Revised<V>> + Send + 'static>
        + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let Looked { found, status, clock } = looked;
    let outcome = match found {
        Ok(value) => Kept::<T, R>::hit(value),
        Err(Bring {
            load,
            revision,
            unread,
            served,
        }) => {
            let (shared, hash) = (Arc::clone(load.shared()), load.hash());
            let unread = Unread::new(unread, &shared, hash);
            let make = |()| {
                let begun = Begun::new(shared, hash, revision, served);
                begun.run::<T, R, F>(make(), describe)
            };
            let keep_if = move |kept: &Revised<V>| keep_if(kept.value());
            let outcome: Kept<T, R> = Box::pin(detached::obtain((), |(): &()| Err(load), keep_if, None, make)).await;
            Unread::note(unread, outcome.success());
            outcome
        }
    };
    Found { outcome, status, clock }
}

impl<T, R: Mapped<T>> Found<T, R> {
    /// What the function returns.
    pub fn returned(self) -> R {
        R::restore(self.outcome, Revised::into_value)
    }

    /// The same with how it was come to.
    pub fn lookup(self) -> R::With<Lookup<R::Success>> {
        let Self { outcome, status, clock } = self;
        R::remap(outcome, |revised: Revised<R::Success>| {
            let about = revised.about();
            Lookup {
                status,
                age: Duration::from_nanos(clock.now().saturating_sub(about.loaded_at)),
                revision: about.revision().cloned(),
                value: revised.into_value(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::Cache;
    use crate::revision::{OnChange, Revised, Status};

    /// What has come between a reading and the look is newer, although its revision is another one.
    #[tokio::test]
    async fn a_value_whose_load_began_after_a_call_had_read_is_a_hit() {
        for on_change in [OnChange::Reload, OnChange::Stale] {
            let cache = Cache::<u64, Revised<u64>>::builder().on_change(on_change).build();
            let shared = cache.shared();
            let question = shared.asked(shared.ask(), Ok(1_u64));
            cache.get_at_revision(7, async { 2_u64 }, || async { 2 }).await;
            let looked = shared.look_revised(shared.hash(&7), &7, || 7, question, None, false);
            assert_eq!((looked.status, cache.stats().hits), (Status::HitRevision, 1));
        }
    }
}
