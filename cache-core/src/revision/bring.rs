//! From a look to a value: the load brings it together with what is [`About`] it, and what fails where nobody hears of it is noted.
//!
//! A load begins here, which is where it takes its number: whatever it reads, it reads after that (see [`gate`](super::gate)).

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::failure::{BackgroundError, During};
use super::look::{Bring, Looked};
use super::revised::{About, Revised, Revision};
use super::{Lookup, Status};
use crate::clock::Clock;
use crate::detached;
use crate::key::{Key, Value};
use crate::load::obtain;
use crate::outcome::{Mapped, Outcome};
use crate::shared::Shared;

/// What is kept of an outcome in such a cache.
type Kept<T, R> = <R as Mapped<T>>::With<Revised<<R as Mapped<T>>::Success>>;

/// Says what an error was, if it can.
pub type Describe<R> = fn(&R) -> Option<String>;

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
