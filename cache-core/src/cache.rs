//! The cache as its users have it. What it does, [`crate::shared`] and [`crate::load`] do.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use equivalent::Equivalent;

use crate::builder::Builder;
use crate::freshness::LoadTimeout;
use crate::key::{Key, Value};
use crate::mutation::MutationGuard;
use crate::outcome::{ALONE, Kind, PLAIN, SHARED};
use crate::shared::Shared;
use crate::stats::Stats;
use crate::tag::{self, Labels, Tags};
use crate::world::{self, Here};

/// A cache that never serves what an invalidation made stale. A cheap clone of one shared cache.
///
/// The promise: once an invalidation (or a mutation guard) has returned, no call that starts later gets a value whose
/// load began before that, not even one that was loading at the time. Callers of one key share one load, and a hit
/// waits for nothing.
///
/// # Example: load once, invalidate, load again
/// ```
/// use cache_core::Cache;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let users: Cache<u64, String> = Cache::builder().name("users").max_size(10_000).build();
///
/// let name = users.get_or_load(7, || async { "Ada".to_owned() }).await;
/// assert_eq!(name, "Ada");
/// assert_eq!(users.get(&7), Some("Ada".to_owned()));
///
/// assert!(users.invalidate(&7).await);
/// assert_eq!(users.get(&7), None);
/// # }
/// ```
pub struct Cache<K, V> {
    shared: Arc<Shared<K, V>>,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K: Key, V: Value> Cache<K, V> {
    /// Starts to set up a cache.
    ///
    /// # Example: a hundred entries
    /// ```
    /// let cache = cache_core::Cache::<String, u64>::builder().max_size(100).build();
    /// # drop(cache);
    /// ```
    pub fn builder() -> Builder<K, V> {
        Builder::new()
    }

    pub(crate) fn new(builder: Builder<K, V>) -> Self {
        Self {
            shared: Shared::new(builder),
        }
    }

    /// The value of a key, if it is there. Counts as a hit or a miss, and as a use of the entry.
    ///
    /// # Example: by anything equivalent to the key
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<String, u64>::builder().build();
    /// cache.insert("seven".to_owned(), 7).await;
    /// assert_eq!(cache.get("seven"), Some(7));
    /// # }
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let shared = self.shared();
        let found = shared.find(shared.hash(key), key);
        if found.is_none() {
            shared.count_misses(1);
        }
        found
    }

    /// The value of a key, if it is there, without being counted as a hit or a miss.
    ///
    /// It is no use of the entry either, except with [`Policy::TinyLfu`](crate::Policy::TinyLfu).
    ///
    /// # Example: a look from the side
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// assert_eq!(cache.peek(&7), None);
    /// assert_eq!(cache.stats().misses, 0);
    /// ```
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let shared = self.shared();
        shared.peek(shared.hash(key), key)
    }

    /// The value of a key: from the cache, from a load of that key that is under way, or by running `load`.
    ///
    /// # Cancellation
    /// If the caller that runs `load` is dropped, `load` is dropped with it, and a caller that waits takes over with
    /// its own.
    ///
    /// # Panics
    /// If `load` panics, in the caller that runs it and no other. If `load` asks for its own key, directly or through
    /// others: it would wait for itself for ever.
    ///
    /// # Example: one load for both
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let (a, b) = futures::join!(
    ///     cache.get_or_load(7, || async { 49 }),
    ///     cache.get_or_load(7, || async { 49 }),
    /// );
    /// assert_eq!((a, b), (49, 49));
    /// assert_eq!(cache.stats().loads, 1);
    /// # }
    /// ```
    pub async fn get_or_load<F, Fut>(&self, key: K, load: F) -> V
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        self.find_or_load::<Kind<PLAIN>, _, _>(key, load).await
    }

    /// The same for a load that may fail: only a success is kept, and a failure reaches all who waited for it.
    ///
    /// Because they all get a copy, the error has to be `Clone`. For one that is not, there is
    /// [`try_get_or_load_unshared`](Self::try_get_or_load_unshared), or an [`Arc`] around it.
    ///
    /// # Errors
    /// What `load` returned, here or in the caller that ran it.
    ///
    /// # Cancellation
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: an error is not kept
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// assert_eq!(cache.try_get_or_load(7, || async { Err("down") }).await, Err("down"));
    /// assert_eq!(cache.try_get_or_load(7, || async { Ok::<_, &str>(49) }).await, Ok(49));
    /// # }
    /// ```
    pub async fn try_get_or_load<E, F, Fut>(&self, key: K, load: F) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.find_or_load::<Kind<SHARED>, _, _>(key, load).await
    }

    /// The same for an error that cannot be copied: when the shared load fails, each caller that waited for it runs
    /// its own, all at once, so that none waits in line behind another.
    ///
    /// # Errors
    /// What the caller's own `load` returned.
    ///
    /// # Cancellation
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: an I/O error
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let cache = cache_core::Cache::<&str, String>::builder().build();
    /// let text = cache
    ///     .try_get_or_load_unshared("greeting", || async { Ok::<_, std::io::Error>("hello".to_owned()) })
    ///     .await?;
    /// assert_eq!(text, "hello");
    /// # Ok(()) }
    /// ```
    pub async fn try_get_or_load_unshared<E, F, Fut>(&self, key: K, load: F) -> Result<V, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.find_or_load::<Kind<ALONE>, _, _>(key, load).await
    }

    /// The value of a key, as [`get_or_load`](Self::get_or_load) gets it, by a load that runs as a task of its own. So it can
    /// run in the background, and go on when its caller has stopped waiting: for
    /// [`stale_while_revalidate`](Builder::stale_while_revalidate), [`refresh_ahead`](Builder::refresh_ahead),
    /// [`soft_timeout`](Builder::soft_timeout) and [`load_timeout`](Builder::load_timeout).
    ///
    /// It runs on the runtime of its caller, in the current [session](crate::session), and in the current span if the feature
    /// `tracing` is on. Called outside of any runtime of tokio's, it runs on a thread of the library's.
    ///
    /// # Cancellation
    /// The load goes on without its caller.
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: a caller that goes away harms nobody
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use futures::FutureExt as _;
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// assert_eq!(cache.get_or_spawn(7, || async { 49 }).now_or_never(), None);
    /// tokio::task::yield_now().await;
    /// assert_eq!(cache.get(&7), Some(49));
    /// # }
    /// ```
    pub async fn get_or_spawn<F, Fut>(&self, key: K, load: F) -> V
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
    {
        self.find_or_spawn::<Kind<PLAIN>, _, _>(key, None, load).await
    }

    /// The same for a load that may fail: only a success is kept, and a failure reaches all who waited for it, unless there
    /// is an old value to serve ([`stale_if_error`](Builder::stale_if_error)).
    ///
    /// # Errors
    /// What `load` returned, here or for the caller that started it; or what is made of a [`LoadTimeout`], if
    /// that took longer than the [`load_timeout`](Builder::load_timeout).
    ///
    /// # Cancellation
    /// The load goes on without its caller.
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: not longer than two seconds
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, LoadTimeout};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = Cache::<u64, u64>::builder().load_timeout(Duration::from_secs(2)).build();
    /// let answer = cache.try_get_or_spawn(7, || async { Ok::<_, LoadTimeout>(49) }).await;
    /// assert_eq!(answer, Ok(49));
    /// # }
    /// ```
    pub async fn try_get_or_spawn<E, F, Fut>(&self, key: K, load: F) -> Result<V, E>
    where
        E: From<LoadTimeout> + Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        self.find_or_spawn::<Kind<SHARED>, _, _>(key, Some(timed_out), load)
            .await
    }

    /// The same for an error that cannot be copied, as [`try_get_or_load_unshared`](Self::try_get_or_load_unshared) is.
    ///
    /// # Errors
    /// As for [`try_get_or_spawn`](Self::try_get_or_spawn), but that a failure reaches only the caller whose load it was.
    ///
    /// # Cancellation
    /// The load goes on without its caller.
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: a boxed error
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// type Error = Box<dyn std::error::Error + Send + Sync>;
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let answer = cache.try_get_or_spawn_unshared(7, || async { Ok::<_, Error>(49) }).await;
    /// assert_eq!(answer.unwrap(), 49);
    /// # }
    /// ```
    pub async fn try_get_or_spawn_unshared<E, F, Fut>(&self, key: K, load: F) -> Result<V, E>
    where
        E: From<LoadTimeout> + Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        self.find_or_spawn::<Kind<ALONE>, _, _>(key, Some(timed_out), load)
            .await
    }

    /// Loads the key now and stores it, whatever the cache holds.
    ///
    /// Meanwhile hits get the former value, and who misses waits for this load. A load that was under way is
    /// detached: it began before this call, so that it may know less, and it is not kept.
    ///
    /// # Cancellation
    /// Dropped half way, it leaves the former value in place.
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: newer than what is there
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, &str>::builder().build();
    /// cache.insert(7, "old").await;
    /// assert_eq!(cache.refresh(7, || async { "new" }).await, "new");
    /// assert_eq!(cache.get(&7), Some("new"));
    /// # }
    /// ```
    pub async fn refresh<F, Fut>(&self, key: K, load: F) -> V
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        self.reload::<Kind<PLAIN>, _, _>(key, load).await
    }

    /// The same for a load that may fail; a failure leaves the former value in place.
    ///
    /// # Errors
    /// What `load` returned.
    ///
    /// # Cancellation
    /// As for [`refresh`](Self::refresh).
    ///
    /// # Panics
    /// As for [`get_or_load`](Self::get_or_load).
    ///
    /// # Example: the former value stays
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, &str>::builder().build();
    /// cache.insert(7, "old").await;
    /// assert_eq!(cache.try_refresh(7, || async { Err("down") }).await, Err("down"));
    /// assert_eq!(cache.get(&7), Some("old"));
    /// # }
    /// ```
    pub async fn try_refresh<E, F, Fut>(&self, key: K, load: F) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.reload::<Kind<SHARED>, _, _>(key, load).await
    }

    /// Stores a value. A load of the key that is under way is older and will not be kept.
    ///
    /// While a mutation of the key is under way nothing is stored: its end would have to evict it.
    ///
    /// # Example: known beforehand
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.insert(7, 49).await;
    /// assert_eq!(cache.get(&7), Some(49));
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn insert(&self, key: K, value: V) {
        self.put(key, value, None, Tags::default());
    }

    /// Stores a value that is gone after `ttl`, whatever the cache's own. Zero removes the key.
    ///
    /// # Example: a token with an end of its own
    /// ```
    /// use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let tokens = cache_core::Cache::<&str, &str>::builder().build();
    /// tokens.insert_with_ttl("mail", "s3cr3t", Duration::from_secs(300)).await;
    /// assert_eq!(tokens.get("mail"), Some("s3cr3t"));
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn insert_with_ttl(&self, key: K, value: V, ttl: Duration) {
        if ttl.is_zero() {
            self.invalidate_local(&key);
        } else {
            self.put(key, value, Some(ttl), Tags::default());
        }
    }

    /// Evicts a key. `true` if there was an entry.
    ///
    /// Once this has returned, no call that starts later gets a value that began to load before it did.
    ///
    /// # Example: gone
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<String, u64>::builder().build();
    /// cache.insert("seven".to_owned(), 7).await;
    /// assert!(cache.invalidate("seven").await);
    /// assert!(!cache.invalidate("seven").await);
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn invalidate<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.invalidate_local(key)
    }

    /// [`invalidate`](Self::invalidate) for this process alone, where nothing can be awaited.
    ///
    /// # Example: in a `Drop`
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// assert!(!cache.invalidate_local(&7));
    /// ```
    pub fn invalidate_local<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let shared = self.shared();
        shared.evict(shared.hash(key), key)
    }

    /// Evicts everything, with the same force as [`invalidate`](Self::invalidate). Statistics go on.
    ///
    /// # Example: empty
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.insert(7, 49).await;
    /// cache.clear().await;
    /// assert!(cache.is_empty());
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn clear(&self) {
        self.shared().clear();
    }

    /// Begins a mutation of what one key stands for: evicts it now, keeps nothing for it until the guard ends, and
    /// evicts again then.
    ///
    /// # Example: around a write
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # async fn write() {}
    /// let cache = cache_core::Cache::<String, u64>::builder().build();
    /// let guard = cache.begin_mutation("seven").await;
    /// write().await;
    /// guard.finish().await;
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn begin_mutation<Q>(&self, key: &Q) -> MutationGuard
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let shared = self.shared();
        MutationGuard::key(&shared, shared.hash(key), key.to_owned())
    }

    /// Begins a mutation of everything the cache holds.
    ///
    /// # Example: an import
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # async fn import() {}
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let guard = cache.begin_mutation_all().await;
    /// import().await;
    /// guard.finish().await;
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "a tier shared between processes will have to hear of it"
    )]
    pub async fn begin_mutation_all(&self) -> MutationGuard {
        MutationGuard::all(&self.shared())
    }

    /// How many entries there are, without those that have expired.
    ///
    /// # Example: one
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.insert(7, 49).await;
    /// assert_eq!(cache.len(), 1);
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        usize::try_from(self.shared().len()).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    ///
    /// # Example: at first
    /// ```
    /// assert!(cache_core::Cache::<u64, u64>::builder().build().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened so far.
    ///
    /// # Example: a miss
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.get(&7);
    /// assert_eq!(cache.stats().misses, 1);
    /// ```
    pub fn stats(&self) -> Stats {
        self.shared().stats()
    }

    /// Starts to count from zero.
    ///
    /// # Example: a new day
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.get(&7);
    /// cache.reset_stats();
    /// assert_eq!(cache.stats().misses, 0);
    /// ```
    pub fn reset_stats(&self) {
        self.shared().reset_stats();
    }

    /// Its name, which no other cache has that is alive: the one it was given, or, if that was taken when it was made, the
    /// same with the smallest number that was free, as in `users#2`.
    ///
    /// # Example: two of a name
    /// ```
    /// let [a, b] = [(); 2].map(|()| cache_core::Cache::<u64, u64>::builder().name("users").build());
    /// assert_eq!((a.name(), b.name()), ("users", "users#2"));
    /// ```
    ///
    /// # Example: the default
    /// ```
    /// assert_eq!(cache_core::Cache::<u64, u64>::builder().build().name(), "unnamed");
    /// ```
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What is shared by the clones of this cache, or what stands for it where this is called.
    #[inline]
    pub(crate) fn shared(&self) -> Here<'_, K, V> {
        Here::of(&self.shared)
    }

    pub(crate) fn insert_labelled(&self, key: K, value: V, labels: Labels<V>) {
        let mut tags = labels.tags;
        if let Some(tag_value) = labels.tag_value {
            tag_value(&value, &mut tags);
        }
        self.put(key, value, None, tags);
    }

    fn put(&self, key: K, value: V, ttl: Option<Duration>, tags: Tags) {
        let shared = self.shared();
        shared.reclaim_some();
        let hash = shared.hash(&key);
        if world::is_disabled() {
            drop(shared.flights.put(hash, &key, || shared.push_out(hash, &key)));
            return shared.settle_soon();
        }
        let mut tags = tags;
        if shared.has_tags() {
            shared.tag_key(&key, &mut tags);
            shared.tag_value(&value, &mut tags);
        }
        let (tags, entry) = (tags.into_set(shared.worlds()), shared.entry(hash, key, value, ttl));
        // The reference that is left when nothing was stored goes after the lock.
        let replaced = shared.flights.put(hash, &entry.key, || {
            shared.keep_tagged(Arc::clone(&entry), &tags, tag::NOW)
        });
        drop((replaced, entry));
        shared.settle_soon();
    }
}

fn timed_out<V, E: From<LoadTimeout>>(timeout: LoadTimeout) -> Result<V, E> {
    Err(timeout.into())
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
