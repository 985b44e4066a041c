//! How a cache is set up.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::freshness::{Freshness, Jitter};
use crate::key::{Key, Value};
use crate::registry::Kind;
use crate::revision::Rule;
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
#[cfg_attr(feature = "test-util", derive(Clone))]
pub struct Builder<K, V> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) bound: Bound,
    pub(crate) freshness: Freshness<V>,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) weigher: Option<Weigher<K, V>>,
    pub(crate) kind: Kind,
    /// What a change of revision does.
    pub(crate) rule: Rule,
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
            freshness: Freshness::default(),
            policy: Policy::default(),
            clock: Clock::system(),
            weigher: None,
            kind: Kind::Builder,
            rule: Rule::default(),
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
        self.freshness.ttl = Some(ttl);
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
        self.freshness.tti = Some(tti);
        self
    }

    /// The TTL of each value, made of the value, in the place of [`ttl`](Self::ttl). Zero keeps nothing.
    ///
    /// It runs once for each value that is to be stored. It MUST NOT call the cache.
    ///
    /// # Example: a token says how long it is good for
    /// ```
    /// use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let tokens = cache_core::Cache::<&str, (u64, &str)>::builder()
    ///     .ttl_fn(|(seconds, _)| Duration::from_secs(*seconds))
    ///     .build();
    /// tokens.insert("mail", (300, "s3cr3t")).await;
    /// tokens.insert("news", (0, "used up")).await;
    /// assert_eq!((tokens.get("mail").is_some(), tokens.get("news")), (true, None));
    /// # }
    /// ```
    pub fn ttl_fn(mut self, ttl_fn: impl Fn(&V) -> Duration + Send + Sync + 'static) -> Self {
        self.freshness.ttl_fn = Some(Arc::new(ttl_fn));
        self
    }

    /// Spreads expiry: each TTL is shortened at random, by at most so much. So entries that came together do not go together,
    /// and none is ever older than its TTL. A share between 0 and 1, or a time.
    ///
    /// # Example: between 54 and 60 seconds
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder().ttl(Duration::from_secs(60)).jitter(0.1).build();
    /// # drop(cache);
    /// ```
    pub fn jitter(mut self, jitter: impl Into<Jitter>) -> Self {
        self.freshness.jitter = Some(jitter.into());
        self
    }

    /// A hit after this share of the TTL has one refresh started in the background, so that a key that is in use never expires.
    /// Between 0 and 1; anything else is left out of account.
    ///
    /// It concerns loads that can run by themselves: [`get_or_spawn`](Cache::get_or_spawn) and its like.
    ///
    /// # Example: in the last fifth of a minute
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder().ttl(Duration::from_secs(60)).refresh_ahead(0.8).build();
    /// # drop(cache);
    /// ```
    pub fn refresh_ahead(mut self, share: f64) -> Self {
        self.freshness.refresh_ahead = (share > 0.0 && share < 1.0).then_some(share);
        self
    }

    /// For so long after its TTL a value is still served, at once, while exactly one load brings a new one.
    ///
    /// With [`get_or_spawn`](Cache::get_or_spawn) and its like that load runs in the background. With
    /// [`get_or_load`](Cache::get_or_load), whose load belongs to its caller, the one caller who runs it waits for it.
    /// [`get`](Cache::get) and [`peek`](Cache::peek), which load nothing, do not see a value past its TTL.
    ///
    /// # Example: a minute, and half a minute more
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, Clock};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let clock = Clock::manual();
    /// let cache = Cache::<u64, &str>::builder()
    ///     .ttl(Duration::from_secs(60))
    ///     .stale_while_revalidate(Duration::from_secs(30))
    ///     .clock(clock.clone())
    ///     .build();
    /// cache.insert(7, "old").await;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(cache.get_or_spawn(7, || async { "new" }).await, "old");
    /// tokio::task::yield_now().await;
    /// assert_eq!(cache.get(&7), Some("new"));
    /// # }
    /// ```
    pub fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.freshness.stale_while_revalidate = time;
        self
    }

    /// For so long after its TTL a value is served if a load fails, or is slower than the
    /// [`soft_timeout`](Self::soft_timeout). The failure is counted and told to observers, and the next load is tried
    /// [`retry_after`](Self::retry_after) at the earliest.
    ///
    /// An invalidation takes such a value away like any other.
    ///
    /// # Example: the last good value
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, Clock};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let clock = Clock::manual();
    /// let cache = Cache::<u64, &str>::builder()
    ///     .ttl(Duration::from_secs(60))
    ///     .stale_if_error(Duration::from_secs(300))
    ///     .clock(clock.clone())
    ///     .build();
    /// cache.insert(7, "old").await;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(cache.try_get_or_load(7, || async { Err("down") }).await, Ok("old"));
    /// assert_eq!(cache.stats().load_failures, 1);
    /// # }
    /// ```
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.freshness.stale_if_error = time;
        self
    }

    /// How long a failed load keeps the next one away, as long as there is an old value to serve: a second unless given.
    ///
    /// # Example: ten seconds
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder()
    ///     .ttl(Duration::from_secs(60))
    ///     .stale_if_error(Duration::from_secs(300))
    ///     .retry_after(Duration::from_secs(10))
    ///     .build();
    /// # drop(cache);
    /// ```
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.freshness.retry_after = time;
        self
    }

    /// For so long an error is kept, if it is `Clone` and there is no value, and given to whoever asks for its key.
    /// An invalidation of the key takes it away. As many are kept as there may be entries; 1024, if that is not a number.
    ///
    /// # Example: not asked again
    /// ```
    /// use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().err_ttl(Duration::from_secs(1)).build();
    /// assert_eq!(cache.try_get_or_load(7, || async { Err("not found") }).await, Err("not found"));
    /// assert_eq!(cache.try_get_or_load(7, || async { Ok(49) }).await, Err("not found"));
    /// assert_eq!(cache.stats().negative_hits, 1);
    /// # }
    /// ```
    pub fn err_ttl(mut self, ttl: Duration) -> Self {
        self.freshness.err_ttl = Some(ttl);
        self
    }

    /// For so long it is kept that a batch had no value for a key.
    ///
    /// # Example: ten seconds
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder().none_ttl(Duration::from_secs(10)).build();
    /// # drop(cache);
    /// ```
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.freshness.none_ttl = Some(ttl);
        self
    }

    /// How long a caller waits for a load while there is an old value ([`stale_if_error`](Self::stale_if_error)); then it
    /// takes that, and the load goes on.
    ///
    /// It concerns loads that can go on by themselves: [`get_or_spawn`](Cache::get_or_spawn) and its like.
    ///
    /// # Example: 50 ms
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder()
    ///     .ttl(Duration::from_secs(60))
    ///     .stale_if_error(Duration::from_secs(300))
    ///     .soft_timeout(Duration::from_millis(50))
    ///     .build();
    /// # drop(cache);
    /// ```
    pub fn soft_timeout(mut self, time: Duration) -> Self {
        self.freshness.soft_timeout = Some(time);
        self
    }

    /// How long a caller waits for a load at all; then it gets an old value ([`stale_if_error`](Self::stale_if_error)), or
    /// an error made from [`LoadTimeout`](crate::LoadTimeout). The load goes on, and what it comes to is kept.
    ///
    /// It concerns [`try_get_or_spawn`](Cache::try_get_or_spawn) and its like, whose load can go on by itself and whose
    /// error can be made.
    ///
    /// # Example: two seconds
    /// ```
    /// use std::time::Duration;
    /// let cache = cache_core::Cache::<u64, u64>::builder().load_timeout(Duration::from_secs(2)).build();
    /// # drop(cache);
    /// ```
    pub fn load_timeout(mut self, time: Duration) -> Self {
        self.freshness.load_timeout = Some(time);
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
        self.key_tags.push(Arc::new(tags));
        self
    }

    pub(crate) fn value_tags(mut self, tags: impl Fn(&V, &mut Tags) + Send + Sync + 'static) -> Self {
        self.value_tags.push(Arc::new(tags));
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
            .field("freshness", &self.freshness)
            .field("policy", &self.policy)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
