//! Every cache of the process that is alive, by name.
//!
//! A cache is known here from when it is made until its last handle is dropped, and weakly: the registry keeps none alive.
//!
//! No foreign code runs under its lock. So nothing that may be the last handle of a cache is dropped there, and what there
//! is to warn of is logged after it.
//!
//! # Example: what is there, and how it does
//! ```
//! use cache_core::{Cache, registry};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let users: Cache<u64, String> = Cache::builder().name("users").max_size(100).build();
//! users.insert(7, "Ada".to_owned()).await;
//!
//! for cache in registry::caches() {
//!     println!("{} ({}, {}): {}", cache.name(), cache.kind(), cache.capacity(), cache.stats());
//! }
//! registry::clear_all().await;
//! assert!(users.is_empty());
//! # }
//! ```

mod names;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use self::names::Numbers;
use crate::observer::Observers;
use crate::stats::Stats;
use crate::store::Policy;
use crate::world::Worlds;

/// What made a cache.
///
/// # Example: by hand
/// ```
/// use cache_core::registry::{self, Kind};
///
/// let cache = cache_core::Cache::<u64, u64>::builder().name("by hand").build();
/// assert_eq!(registry::get("by hand").map(|it| it.kind()), Some(Kind::Builder));
/// # drop(cache);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `#[cached_lru]`.
    CachedLru,
    /// `#[cached_ttl]`.
    CachedTtl,
    /// `#[agent_cached]`.
    AgentCached,
    /// `#[cached_batch]`.
    CachedBatch,
    /// `#[cached_revision]`.
    CachedRevision,
    /// [`Cache::builder`](crate::Cache::builder).
    #[default]
    Builder,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CachedLru => "cached_lru",
            Self::CachedTtl => "cached_ttl",
            Self::AgentCached => "agent_cached",
            Self::CachedBatch => "cached_batch",
            Self::CachedRevision => "cached_revision",
            Self::Builder => "builder",
        })
    }
}

/// How much a cache may keep.
///
/// # Example: a hundred
/// ```
/// use cache_core::registry::{self, Capacity};
///
/// let cache = cache_core::Cache::<u64, u64>::builder().name("hundred").max_size(100).build();
/// let found = registry::get("hundred").unwrap();
/// assert_eq!(found.capacity(), Capacity::Entries(100));
/// assert_eq!(found.capacity().to_string(), "100 entries");
/// # drop(cache);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capacity {
    /// So many entries.
    Entries(u64),
    /// Entries of this weight altogether, in whatever unit the weigher has.
    Weight(u64),
    /// Whatever comes.
    Unbounded,
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(1) => f.write_str("1 entry"),
            Self::Entries(most) => write!(f, "{most} entries"),
            Self::Weight(most) => write!(f, "weight {most}"),
            Self::Unbounded => f.write_str("unbounded"),
        }
    }
}

/// A cache as the registry sees it, whatever the types of its keys and values.
pub(crate) trait Registered: Send + Sync {
    fn name(&self) -> &str;
    fn kind(&self) -> Kind;
    fn policy(&self) -> Policy;
    fn capacity(&self) -> Capacity;
    fn tags(&self) -> &[Cow<'static, str>];
    fn count(self: Arc<Self>) -> u64;
    fn numbers(self: Arc<Self>) -> Stats;
    fn empty(self: Arc<Self>);
}

/// Some cache of the process, whatever its types. A cheap clone of a handle, which keeps the cache alive.
///
/// # Example: by name
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = cache_core::Cache::<u64, u64>::builder().name("answers").build();
/// cache.insert(6, 42).await;
///
/// let answers = cache_core::registry::get("answers").unwrap();
/// assert_eq!(answers.len(), 1);
/// answers.clear().await;
/// assert_eq!(cache.get(&6), None);
/// # }
/// ```
#[derive(Clone)]
pub struct AnyCache(Arc<dyn Registered>);

impl AnyCache {
    /// Its name, which no other cache has that is alive. See [`Cache::name`](crate::Cache::name).
    ///
    /// # Example: a name
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("named").build();
    /// assert_eq!(cache_core::registry::get("named").unwrap().name(), cache.name());
    /// ```
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What made it.
    ///
    /// # Example: the builder
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("built").build();
    /// assert_eq!(cache_core::registry::get("built").unwrap().kind().to_string(), "builder");
    /// # drop(cache);
    /// ```
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// What goes first when it is full.
    ///
    /// # Example: the default
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("default").build();
    /// assert_eq!(cache_core::registry::get("default").unwrap().policy(), cache_core::Policy::Lru);
    /// # drop(cache);
    /// ```
    pub fn policy(&self) -> Policy {
        self.0.policy()
    }

    /// How much it may keep.
    ///
    /// # Example: all
    /// ```
    /// use cache_core::registry::{self, Capacity};
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("all").unbounded().build();
    /// assert_eq!(registry::get("all").unwrap().capacity(), Capacity::Unbounded);
    /// # drop(cache);
    /// ```
    pub fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    /// How many entries there are, without those that have expired.
    ///
    /// # Example: none
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("fresh").build();
    /// assert_eq!(cache_core::registry::get("fresh").unwrap().len(), 0);
    /// # drop(cache);
    /// ```
    pub fn len(&self) -> usize {
        usize::try_from(Arc::clone(&self.0).count()).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    ///
    /// # Example: at first
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("fresh").build();
    /// assert!(cache_core::registry::get("fresh").unwrap().is_empty());
    /// # drop(cache);
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened so far.
    ///
    /// # Example: a miss
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("missed").build();
    /// cache.get(&7);
    /// assert_eq!(cache_core::registry::get("missed").unwrap().stats().misses, 1);
    /// ```
    pub fn stats(&self) -> Stats {
        Arc::clone(&self.0).numbers()
    }

    /// The tags that were declared for it.
    ///
    /// # Example: none
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("plain").build();
    /// assert!(cache_core::registry::get("plain").unwrap().tags().is_empty());
    /// # drop(cache);
    /// ```
    pub fn tags(&self) -> &[Cow<'static, str>] {
        self.0.tags()
    }

    /// Evicts everything, with the same force as [`Cache::clear`](crate::Cache::clear).
    ///
    /// # Example: empty
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("full").build();
    /// cache.insert(7, 49).await;
    /// cache_core::registry::get("full").unwrap().clear().await;
    /// assert!(cache.is_empty());
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn clear(&self) {
        Arc::clone(&self.0).empty();
    }
}

impl fmt::Debug for AnyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyCache")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("policy", &self.policy())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Every cache that is alive, in the order of their names.
///
/// # Example: one of them
/// ```
/// let cache = cache_core::Cache::<u64, u64>::builder().name("one of them").build();
/// assert!(cache_core::registry::caches().iter().any(|it| it.name() == cache.name()));
/// ```
pub fn caches() -> Vec<AnyCache> {
    let mut caches: Vec<AnyCache> = {
        let registry = registry();
        let live = registry.live.values();
        live.filter_map(|live| live.cache.upgrade()).map(AnyCache).collect()
    };
    caches.sort_unstable_by(|a, b| a.name().cmp(b.name()));
    caches
}

/// The cache of a name, as [`Cache::name`](crate::Cache::name) tells it.
///
/// # Example: there, and gone
/// ```
/// use cache_core::{Cache, registry};
///
/// let cache = Cache::<u64, u64>::builder().name("passing").build();
/// assert!(registry::get("passing").is_some());
/// drop(cache);
/// assert!(registry::get("passing").is_none());
/// ```
pub fn get(name: &str) -> Option<AnyCache> {
    let cache = registry().live.get(name)?.cache.upgrade();
    cache.map(AnyCache)
}

/// Clears every cache that is alive when this is called, with the same force as [`Cache::clear`](crate::Cache::clear).
///
/// # Example: both
/// ```
/// use cache_core::{Cache, registry};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (a, b) = (Cache::<u64, u64>::builder().build(), Cache::<u64, String>::builder().build());
/// a.insert(1, 1).await;
/// b.insert(2, "two".to_owned()).await;
/// registry::clear_all().await;
/// assert!(a.is_empty() && b.is_empty());
/// # }
/// ```
pub async fn clear_all() {
    for cache in caches() {
        cache.clear().await;
    }
}

#[derive(Default)]
struct Registry {
    /// By their names, which are unique.
    live: HashMap<Arc<str>, Live>,
    numbers: Numbers,
    /// Of functions that were given the same name: what their caches are called instead.
    functions: HashMap<Box<str>, BTreeSet<Arc<str>>>,
    /// Observers of all caches.
    everywhere: usize,
    /// Of caches that stand for others in the world of a test, and so are not listed.
    #[cfg(feature = "test-util")]
    unlisted: Vec<Arc<Observers>>,
}

impl Registry {
    /// For the observers of each cache.
    fn each(&self, act: impl Fn(&Observers)) {
        self.live.values().for_each(|live| act(&live.observers));
        #[cfg(feature = "test-util")]
        self.unlisted.iter().for_each(|observers| act(observers));
    }
}

struct Live {
    cache: Weak<dyn Registered>,
    observers: Arc<Observers>,
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cache's place in the registry, which ends with it.
pub(crate) struct Registration {
    observers: Arc<Observers>,
    /// The name that a function's cache was to have.
    declared: Option<Box<str>>,
    #[cfg(feature = "test-util")]
    is_listed: bool,
}

impl Registration {
    /// Registers a cache that is being made. `types` says what it is a cache of.
    pub(crate) fn new(name: &str, kind: Kind, types: &str, cache: Weak<dyn Registered>, worlds: Worlds) -> Self {
        let mut locked = registry();
        let registry = &mut *locked;
        let unique: Arc<str> = registry
            .numbers
            .take(name, |name| registry.live.contains_key(name))
            .into();
        let observers = Arc::new(Observers::new(Arc::clone(&unique), registry.everywhere > 0, worlds));
        let live = Live {
            cache,
            observers: Arc::clone(&observers),
        };
        registry.live.insert(Arc::clone(&unique), live);
        let declared: Option<Box<str>> = (kind != Kind::Builder).then(|| name.into());
        let mut namesake = None;
        if let Some(name) = &declared {
            let functions = registry.functions.entry(name.clone()).or_default();
            namesake = functions.first().map(Arc::clone);
            functions.insert(Arc::clone(&unique));
        }
        drop(locked);
        if let Some(namesake) = namesake {
            log::warn!(
                "two cached functions have the name `{name}`: one is known as cache `{namesake}`, and the other ({kind}, \
                 {types}) as cache `{unique}`; give one of them another with `name = \"..\"`"
            );
        }
        Self {
            observers,
            declared,
            #[cfg(feature = "test-util")]
            is_listed: true,
        }
    }

    /// Registers a cache that stands for the one of this name: nobody finds it, and only observers of all caches are told of it.
    #[cfg(feature = "test-util")]
    pub(crate) fn unlisted(name: &Arc<str>, worlds: Worlds) -> Self {
        let mut registry = registry();
        let observers = Arc::new(Observers::new(Arc::clone(name), registry.everywhere > 0, worlds));
        registry.unlisted.push(Arc::clone(&observers));
        Self {
            observers,
            declared: None,
            is_listed: false,
        }
    }

    pub(crate) fn observers(&self) -> &Arc<Observers> {
        &self.observers
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let name = self.observers.name();
        let mut registry = registry();
        #[cfg(feature = "test-util")]
        if !self.is_listed {
            let place = registry.unlisted.iter().position(|it| Arc::ptr_eq(it, &self.observers));
            let gone = place.map(|place| registry.unlisted.swap_remove(place));
            drop(registry);
            drop(gone);
            return;
        }
        let gone = registry.live.remove(name);
        registry.numbers.give_back(name);
        if let Some(declared) = &self.declared
            && let Some(functions) = registry.functions.get_mut(declared)
        {
            functions.remove(name);
            if functions.is_empty() {
                registry.functions.remove(declared);
            }
        }
        // A crowd that has gone leaves no room behind.
        if registry.live.capacity() > 1024 && registry.live.len() < registry.live.capacity() / 8 {
            registry.live.shrink_to_fit();
        }
        drop(registry);
        drop(gone);
    }
}

/// One more observer of all caches, those to come included.
pub(crate) fn open_all() {
    let mut registry = registry();
    registry.everywhere += 1;
    if registry.everywhere == 1 {
        registry.each(Observers::open);
    }
}

/// One less.
pub(crate) fn close_all() {
    let mut registry = registry();
    registry.everywhere -= 1;
    if registry.everywhere == 0 {
        registry.each(Observers::close);
    }
}
