//! Observers: code that is told of every change of a cache, or of all caches of the process.
//!
//! There is one event for each change, and each observer that was there when it happened is told of it once. For one key,
//! events come in the order of its changes. What there is to tell is what [`Stats`](crate::Stats) counts: insertions,
//! evictions, expirations, invalidations and failed loads.
//!
//! An observer is called where no lock is held: on the thread that made the change, or on one that is telling of other
//! changes at that moment. It may call the cache, and add and remove observers, itself included; what that changes is told
//! after what it is being told now. If it panics, that is logged once, and nobody else notices. It should be quick, because
//! changes wait in memory until they have been told; who has more to do reads [`Cache::events`] instead.
//!
//! An observer that holds the cache it observes keeps it alive for ever.
//!
//! # Example: as long as the subscription lives
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use cache_core::{Cache, observer::Cause};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let sessions: Cache<u64, String> = Cache::builder().max_size(2).build();
//! let evicted = Arc::new(AtomicU64::new(0));
//! let counter = Arc::clone(&evicted);
//! let subscription = sessions.observe(move |event| {
//!     if event.cause() == Cause::Evicted {
//!         counter.fetch_add(1, Ordering::Relaxed);
//!     }
//! });
//! for id in 0..5 {
//!     sessions.insert(id, format!("session {id}")).await;
//! }
//! assert_eq!(evicted.load(Ordering::Relaxed), 3);
//! drop(subscription);
//! # }
//! ```

mod event;
mod outbox;
mod stream;
#[cfg(all(test, not(cache_core_model)))]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

pub use self::event::{AnyEvent, Cause, Event, Reason};
pub(crate) use self::outbox::Observers;
use self::outbox::{Callback, EVERYWHERE};
pub use self::stream::{Events, Missed};
use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::registry;
#[cfg(feature = "test-util")]
use crate::world::WorldId;

/// Names an observer, for the life of the process.
///
/// # Example: to remove it by
/// ```
/// let cache = cache_core::Cache::<u64, u64>::builder().build();
/// let id = cache.add_observer(|_| ());
/// assert!(cache.remove_observer(id));
/// assert!(!cache.remove_observer(id));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObserverId(u64);

impl ObserverId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Only uniqueness matters, so no ordering does.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for ObserverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "observer {}", self.0)
    }
}

/// Observes until it is dropped. Made by [`Cache::observe`] and [`observe`]. It does not keep the cache alive.
///
/// # Example: for a while
/// ```
/// let cache = cache_core::Cache::<u64, u64>::builder().build();
/// let subscription = cache.observe(|event| println!("{}: {}", event.key(), event.cause()));
/// let id = subscription.id();
/// drop(subscription);
/// assert!(!cache.remove_observer(id));
/// ```
#[must_use = "dropping the subscription ends it"]
pub struct Subscription {
    id: ObserverId,
    to: Place,
}

enum Place {
    Cache(Weak<Observers>),
    Everywhere,
}

impl Subscription {
    /// The observer.
    ///
    /// # Example: ended by its id
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let subscription = cache.observe(|_| ());
    /// assert!(cache.remove_observer(subscription.id()));
    /// ```
    pub fn id(&self) -> ObserverId {
        self.id
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        match &self.to {
            Place::Cache(observers) => {
                if let Some(observers) = observers.upgrade() {
                    observers.remove(self.id);
                }
            }
            Place::Everywhere => {
                remove_observer(self.id);
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<K: Key, V: Value> Cache<K, V> {
    /// Has `observer` told of every change from now on. See [`observer`](crate::observer) for what that means.
    ///
    /// # Example: a line for each
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.add_observer(|event| println!("{}: {}", event.key(), event.cause()));
    /// cache.insert(7, 49).await;
    /// # }
    /// ```
    pub fn add_observer(&self, observer: impl Fn(&Event<K, V>) + Send + Sync + 'static) -> ObserverId {
        let callback = move |any: &AnyEvent| observer(&Event::of(any));
        self.shared().observers().add(Arc::new(callback))
    }

    /// Ends what [`add_observer`](Self::add_observer) or [`observe`](Self::observe) began. `true` for the one who ended it.
    ///
    /// Changes that happen after that are not told to the observer any more. It may still be told of earlier ones.
    ///
    /// # Example: once
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let id = cache.add_observer(|_| ());
    /// assert!(cache.remove_observer(id));
    /// ```
    pub fn remove_observer(&self, id: ObserverId) -> bool {
        self.shared().observers().remove(id)
    }

    /// [`add_observer`](Self::add_observer) until what this returns is dropped.
    ///
    /// # Example: for a while
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let subscription = cache.observe(|event| println!("{}: {}", event.key(), event.cause()));
    /// drop(subscription);
    /// ```
    pub fn observe(&self, observer: impl Fn(&Event<K, V>) + Send + Sync + 'static) -> Subscription {
        Subscription {
            id: self.add_observer(observer),
            to: Place::Cache(Arc::downgrade(self.shared().observers())),
        }
    }
}

/// Has `observer` told of every change of every cache from now on, of those that are made later as well.
///
/// # Example: a line for each
/// ```
/// use cache_core::observer;
/// let id = observer::add_observer(|event| println!("{}: {}", event.cache(), event.cause()));
/// assert!(observer::remove_observer(id));
/// ```
pub fn add_observer(observer: impl Fn(&AnyEvent) + Send + Sync + 'static) -> ObserverId {
    let callback: Arc<Callback> = Arc::new(observer);
    registry::open_all();
    EVERYWHERE.add(callback)
}

/// Ends what [`add_observer`] or [`observe`] began. `true` for the one who ended it.
///
/// # Example: once
/// ```
/// use cache_core::observer;
/// let id = observer::add_observer(|_| ());
/// assert!(observer::remove_observer(id));
/// assert!(!observer::remove_observer(id));
/// ```
pub fn remove_observer(id: ObserverId) -> bool {
    let removed = EVERYWHERE.remove(id);
    if removed.is_some() {
        registry::close_all();
    }
    removed.is_some()
}

/// Ends what the observers of all caches that were added in a world began, because that world is at its end.
#[cfg(feature = "test-util")]
pub(crate) fn forget(world: WorldId) {
    let (count, former) = EVERYWHERE.remove_of(world);
    (0..count).for_each(|_| registry::close_all());
    drop(former);
}

/// [`add_observer`] until what this returns is dropped.
///
/// # Example: for a while
/// ```
/// let subscription = cache_core::observer::observe(|event| println!("{}: {}", event.cache(), event.cause()));
/// drop(subscription);
/// ```
pub fn observe(observer: impl Fn(&AnyEvent) + Send + Sync + 'static) -> Subscription {
    Subscription {
        id: add_observer(observer),
        to: Place::Everywhere,
    }
}
