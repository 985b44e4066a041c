//! How a cache is set up.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::key::{Key, Value};
use crate::registry::Kind;
use crate::shared::TagsOf;
use crate::store::{Bound, Policy};
use crate::tag::{Index, Tags};

/// Entries that a cache keeps when nothing was said about it.
pub(crate) const DEFAULT_MAX_SIZE: usize = 1024;

pub(crate) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u32 + Send + Sync>;

/// Sets up a [`Cache`]; made by [`Cache::builder`].
///
/// # Example: an hour at most, ten minutes unused, a thousand entries
/// ```
/// use std::time::Duration;
/// use cache_core::{Cache, Policy};
///
/// let cache: Cache<u64, String> = Cache::builder()
///     .name("users")
///     .max_size(1_000)
///     .ttl(Duration::from_secs(3600))
///     .tti(Duration::from_secs(600))
///     .policy(Policy::TinyLfu)
///     .build();
/// assert_eq!(cache.name(), "users");
/// ```
pub struct Builder<K, V> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) bound: Bound,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tti: Option<Duration>,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) weigher: Option<Weigher<K, V>>,
    pub(crate) kind: Kind,
    /// As they were written, for the registry.
    pub(crate) declared_tags: Vec<Cow<'static, str>>,
    pub(crate) key_tags: Vec<TagsOf<K>>,
    pub(crate) value_tags: Vec<TagsOf<V>>,
    /// The index of the process unless given.
    pub(crate) index: Option<&'static Index>,
}

impl<K: Key, V: Value> Builder<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            name: Cow::Borrowed("unnamed"),
            bound: Bound::Entries(DEFAULT_MAX_SIZE as u64),
            ttl: None,
            tti: None,
            policy: Policy::default(),
            clock: Clock::system(),
            weigher: None,
            kind: Kind::Builder,
            declared_tags: Vec::new(),
            key_tags: Vec::new(),
            value_tags: Vec::new(),
            index: None,
        }
    }

    /// The name in statistics and messages. `"unnamed"` unless given. A cache that is alive may have it already: see
    /// [`Cache::name`] for what becomes of it then.
    ///
    /// # Example: a name
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().name("answers").build();
    /// assert_eq!(cache.name(), "answers");
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// How many entries are kept: 1024 unless given. 0 keeps nothing, and callers of one key still share one load.
    ///
    /// Takes the place of [`max_weight`](Self::max_weight) and [`unbounded`](Self::unbounded).
    ///
    /// # Example: two
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().max_size(2).build();
    /// for n in 0..3 {
    ///     cache.insert(n, n).await;
    /// }
    /// assert_eq!(cache.len(), 2);
    /// # }
    /// ```
    pub fn max_size(mut self, entries: usize) -> Self {
        self.bound = Bound::Entries(entries as u64);
        self
    }

    /// Bounds the cache by the sum of what `weigher` says of its entries, in whatever unit that is.
    ///
    /// An entry that alone weighs more is not kept, and none weighs less than 1. The weigher is called once for each value that is stored, and
    /// MUST NOT call the cache.
    ///
    /// # Example: a megabyte of pages
    /// ```
    /// use cache_core::Cache;
    /// let pages = Cache::<String, String>::builder()
    ///     .max_weight(1 << 20, |path, page| u32::try_from(path.len() + page.len()).unwrap_or(u32::MAX))
    ///     .build();
    /// # drop(pages);
    /// ```
    pub fn max_weight(mut self, weight: u64, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.bound = Bound::Weight(weight);
        self.weigher = Some(Arc::new(weigher));
        self
    }

    /// Keeps every entry until it expires or is invalidated. The caller answers for the memory.
    ///
    /// # Example: a table of countries
    /// ```
    /// let countries = cache_core::Cache::<u16, String>::builder().unbounded().build();
    /// # drop(countries);
    /// ```
    pub fn unbounded(mut self) -> Self {
        self.bound = Bound::Unbounded;
        self
    }

    /// The age at which an entry is gone. A `ttl` of zero keeps nothing.
    ///
    /// # Example: a minute
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder().ttl(Duration::from_secs(60)).build();
    /// # drop(cache);
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long an entry may lie unused before it is gone, known to a millisecond. Zero keeps nothing.
    ///
    /// # Example: ten minutes
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder().tti(Duration::from_secs(600)).build();
    /// # drop(cache);
    /// ```
    pub fn tti(mut self, tti: Duration) -> Self {
        self.tti = Some(tti);
        self
    }

    /// What goes first when the cache is full: [`Policy::Lru`] unless given.
    ///
    /// # Example: popular keys stay
    /// ```
    /// use cache_core::{Cache, Policy};
    /// let cache = Cache::<u64, u64>::builder().policy(Policy::TinyLfu).build();
    /// # drop(cache);
    /// ```
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The tags of an entry that its key tells: [`invalidate_tag`](crate::invalidate_tag) evicts, in all caches of the
    /// process, everything that carries one.
    ///
    /// Called again, it adds to what was said before. `tags` runs once on each miss, before the load. It MUST NOT call the cache.
    ///
    /// # Example: all carts, and those of one user
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let carts = cache_core::Cache::<u64, Vec<String>>::builder()
    ///     .tags(|user| ["cart".to_owned(), format!("user:{user}")])
    ///     .build();
    /// carts.insert(7, vec!["tea".to_owned()]).await;
    /// assert_eq!(cache_core::invalidate_tag("user:7").await, 1);
    /// # }
    /// ```
    pub fn tags<T>(self, tags: impl Fn(&K) -> T + Send + Sync + 'static) -> Self
    where
        T: IntoIterator<Item: AsRef<str>>,
    {
        self.key_tags(move |key, all| all.extend(tags(key)))
    }

    /// The tags of an entry that only its value tells. Calls of one builder add up.
    ///
    /// `tag_fn` runs once for each value that is to be stored, after the load. It MUST NOT call the cache.
    ///
    /// # Example: all products on a page
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pages = cache_core::Cache::<&str, Vec<u64>>::builder()
    ///     .tag_fn(|products| products.iter().map(|id| format!("product:{id}")).collect::<Vec<_>>())
    ///     .build();
    /// pages.get_or_load("/tea", || async { vec![3, 5] }).await;
    /// assert_eq!(cache_core::invalidate_tag("product:5").await, 1);
    /// # }
    /// ```
    pub fn tag_fn<T>(self, tag_fn: impl Fn(&V) -> T + Send + Sync + 'static) -> Self
    where
        T: IntoIterator<Item: AsRef<str>>,
    {
        self.value_tags(move |value, all| all.extend(tag_fn(value)))
    }

    pub(crate) fn declared_tags(mut self, tags: &'static [&'static str]) -> Self {
        self.declared_tags.extend(tags.iter().copied().map(Cow::Borrowed));
        self
    }

    pub(crate) fn key_tags(mut self, tags: impl Fn(&K, &mut Tags) + Send + Sync + 'static) -> Self {
        self.key_tags.push(Box::new(tags));
        self
    }

    pub(crate) fn value_tags(mut self, tags: impl Fn(&V, &mut Tags) + Send + Sync + 'static) -> Self {
        self.value_tags.push(Box::new(tags));
        self
    }

    /// The source of time: [`Clock::system`] unless given.
    ///
    /// # Example: time by hand
    /// ```
    /// use cache_core::{Cache, Clock};
    /// let clock = Clock::manual();
    /// let cache = Cache::<u64, u64>::builder().clock(clock.clone()).build();
    /// # drop(cache);
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the cache.
    ///
    /// # Example: all defaults
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// assert!(cache.is_empty());
    /// ```
    pub fn build(self) -> Cache<K, V> {
        Cache::new(self)
    }
}

impl<K, V> fmt::Debug for Builder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("bound", &self.bound)
            .field("ttl", &self.ttl)
            .field("tti", &self.tti)
            .field("policy", &self.policy)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
