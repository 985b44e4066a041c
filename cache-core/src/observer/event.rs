//! What observers are told.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::key::{Key, Value};
use crate::store::Kept;

/// Why an entry came, changed or went.
///
/// # Example: in a message
/// ```
/// use cache_core::observer::{Cause, Reason};
/// assert_eq!(Cause::Invalidated(Reason::Key).to_string(), "invalidated (key)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A value was stored where none was.
    Inserted,
    /// A newer value took the place of the former one. If the newer one was not kept itself (too heavy, or `cache_if` said
    /// no), the event has no [`value`](Event::value).
    Replaced,
    /// What it was made from is about to change, or has changed.
    Invalidated(Reason),
    /// It was too old, or too long unused.
    Expired,
    /// It had to go because the cache was full.
    Evicted,
    /// A load ended with an error or a panic, or its caller went away. Nothing changed.
    LoadFailed,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inserted => f.write_str("inserted"),
            Self::Replaced => f.write_str("replaced"),
            Self::Invalidated(reason) => write!(f, "invalidated ({reason})"),
            Self::Expired => f.write_str("expired"),
            Self::Evicted => f.write_str("evicted"),
            Self::LoadFailed => f.write_str("load failed"),
        }
    }
}

/// How an invalidation covered an entry.
///
/// # Example: in a message
/// ```
/// assert_eq!(cache_core::observer::Reason::Clear.to_string(), "clear");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// By its key.
    Key,
    /// By a tag.
    Tag,
    /// With all others.
    Clear,
    /// By a mutation, at its beginning or at its end.
    Mutation,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Tag => "tag",
            Self::Clear => "clear",
            Self::Mutation => "mutation",
        })
    }
}

/// What happened to a key. It keeps the entries that it tells of, which are whole and not copied.
pub(super) struct Happening {
    pub(super) cache: Arc<str>,
    pub(super) cause: Cause,
    pub(super) concerns: Concerns,
}

pub(super) enum Concerns {
    /// One entry at least.
    Entries {
        old: Option<Arc<dyn Kept>>,
        new: Option<Arc<dyn Kept>>,
    },
    /// A key without any.
    Key(Box<dyn Any + Send + Sync>),
}

impl Happening {
    fn key(&self) -> Option<&dyn Any> {
        match &self.concerns {
            Concerns::Entries { old, new } => new.as_ref().or(old.as_ref()).map(|entry| entry.key()),
            Concerns::Key(key) => Some(&**key),
        }
    }

    fn old_value(&self) -> Option<&dyn Any> {
        match &self.concerns {
            Concerns::Entries { old, .. } => old.as_ref().map(|entry| entry.value()),
            Concerns::Key(_) => None,
        }
    }

    fn value(&self) -> Option<&dyn Any> {
        match &self.concerns {
            Concerns::Entries { new, .. } => new.as_ref().map(|entry| entry.value()),
            Concerns::Key(_) => None,
        }
    }
}

/// A change in some cache of the process, whatever its types. A cheap clone; it owns what it tells of.
///
/// # Example: all changes of the process
/// ```
/// use std::sync::{Arc, Mutex};
/// use cache_core::{Cache, observer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let noted = Arc::clone(&seen);
/// let subscription = observer::observe(move |event| {
///     noted.lock().unwrap().push((event.cache().to_owned(), event.key_as::<u64>().copied()));
/// });
/// Cache::<u64, u64>::builder().name("squares").build().insert(7, 49).await;
/// drop(subscription);
/// assert_eq!(*seen.lock().unwrap(), [("squares".to_owned(), Some(7))]);
/// # }
/// ```
#[derive(Clone)]
pub struct AnyEvent(pub(super) Arc<Happening>);

impl AnyEvent {
    /// The name of the cache.
    ///
    /// # Example: its name
    /// ```
    /// let _subscription = cache_core::observer::observe(|event| assert!(!event.cache().is_empty()));
    /// ```
    pub fn cache(&self) -> &str {
        &self.0.cache
    }

    /// What happened.
    ///
    /// # Example: evictions alone
    /// ```
    /// use cache_core::observer::{self, Cause};
    /// let _subscription = observer::observe(|event| if event.cause() == Cause::Evicted { /* .. */ });
    /// ```
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// The key, if it is a `K`.
    ///
    /// # Example: users by their number
    /// ```
    /// let _subscription = cache_core::observer::observe(|event| { let _: Option<&u64> = event.key_as::<u64>(); });
    /// ```
    pub fn key_as<K: 'static>(&self) -> Option<&K> {
        self.0.key()?.downcast_ref()
    }

    /// The value that was there before, if there was one and it is a `V`.
    ///
    /// # Example: what went
    /// ```
    /// let _subscription = cache_core::observer::observe(|event| { let _: Option<&String> = event.old_value_as(); });
    /// ```
    pub fn old_value_as<V: 'static>(&self) -> Option<&V> {
        self.0.old_value()?.downcast_ref()
    }

    /// The value that is there now, if one came and it is a `V`.
    ///
    /// # Example: what came
    /// ```
    /// let _subscription = cache_core::observer::observe(|event| { let _: Option<&String> = event.value_as(); });
    /// ```
    pub fn value_as<V: 'static>(&self) -> Option<&V> {
        self.0.value()?.downcast_ref()
    }
}

impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEvent")
            .field("cache", &self.cache())
            .field("cause", &self.cause())
            .finish_non_exhaustive()
    }
}

/// A change in a cache. A cheap clone; it owns what it tells of.
///
/// # Example: old and new
/// ```
/// use std::sync::{Arc, Mutex};
/// use cache_core::Cache;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, &str>::builder().build();
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let noted = Arc::clone(&seen);
/// cache.add_observer(move |event| noted.lock().unwrap().push(event.clone()));
/// cache.insert(1, "one").await;
/// cache.insert(1, "uno").await;
///
/// let seen = seen.lock().unwrap();
/// assert_eq!((*seen[0].key(), seen[0].old_value(), seen[0].value()), (1, None, Some(&"one")));
/// assert_eq!((*seen[1].key(), seen[1].old_value(), seen[1].value()), (1, Some(&"one"), Some(&"uno")));
/// # }
/// ```
pub struct Event<K, V> {
    any: AnyEvent,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Value> Event<K, V> {
    /// Of a cache of these types.
    pub(super) fn of(any: &AnyEvent) -> Self {
        Self {
            any: any.clone(),
            of: PhantomData,
        }
    }

    /// The name of the cache.
    ///
    /// # Example: its name
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("squares").build();
    /// let mut events = cache.events();
    /// cache.insert(7, 49).await;
    /// assert_eq!(events.recv().await.unwrap().unwrap().cache(), "squares");
    /// # }
    /// ```
    pub fn cache(&self) -> &str {
        self.any.cache()
    }

    /// What happened.
    ///
    /// # Example: a first value
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let mut events = cache.events();
    /// cache.insert(7, 49).await;
    /// assert_eq!(events.recv().await.unwrap().unwrap().cause(), cache_core::observer::Cause::Inserted);
    /// # }
    /// ```
    pub fn cause(&self) -> Cause {
        self.any.cause()
    }

    /// The key.
    ///
    /// # Example: seven
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let mut events = cache.events();
    /// cache.insert(7, 49).await;
    /// assert_eq!(*events.recv().await.unwrap().unwrap().key(), 7);
    /// # }
    /// ```
    pub fn key(&self) -> &K {
        match self.any.key_as() {
            Some(key) => key,
            None => unreachable!("a cache tells of keys of its own type"),
        }
    }

    /// The value that was there before, if there was one.
    ///
    /// # Example: what went
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.insert(7, 49).await;
    /// let mut events = cache.events();
    /// cache.invalidate(&7).await;
    /// assert_eq!(events.recv().await.unwrap().unwrap().old_value(), Some(&49));
    /// # }
    /// ```
    pub fn old_value(&self) -> Option<&V> {
        self.any.old_value_as()
    }

    /// The value that is there now, if one came.
    ///
    /// # Example: what came
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let mut events = cache.events();
    /// cache.insert(7, 49).await;
    /// assert_eq!(events.recv().await.unwrap().unwrap().value(), Some(&49));
    /// # }
    /// ```
    pub fn value(&self) -> Option<&V> {
        self.any.value_as()
    }
}

impl<K, V> Clone for Event<K, V> {
    fn clone(&self) -> Self {
        Self {
            any: self.any.clone(),
            of: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for Event<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("cache", &self.any.cache())
            .field("cause", &self.any.cause())
            .finish_non_exhaustive()
    }
}
