//! Batches: keys that are asked for within a short time go into one call of what loads them.
//!
//! Each key is a load of its own in the flight table, registered before its batch runs. So everything that holds for single
//! loads holds for each key of a batch: who joins it, what detaches it, whether it is kept. Only the running of several is
//! one: [`open`] gathers them, [`run`] runs them and lands each, and [`ask`] is what a caller does, who waits for the flight
//! of his key as everybody does who has joined it.
//!
//! # The life of a batch
//! 1. A caller misses and registers the load of his key. He leaves it to the batch that is open for callers like him, in the
//!    same [`Context`](crate::background::Context), or opens one. Who opens it spawns its task.
//! 2. The task waits until the window is over. Who brings the last key that there is room for closes the batch and hands it
//!    to the task at once. From then on nothing is added to it.
//! 3. The task calls the body with the keys, each once, whatever has become of their callers.
//! 4. It lands each key: a value, that there is none, or the error of all. Whether that is kept the flight table says, key by
//!    key.
//!
//! # When it goes wrong
//! - *The body panics.* Its loads land as panicked, and the panic goes to the caller who opened the batch, whose call it was.
//!   The others ask again. Who has met two panics loads for himself alone, so that a body which always panics comes to an
//!   end with each of its callers, and a key which makes it panic harms nobody but who asks for that.
//! - *The task is gone*, with the runtime of the caller who opened the batch. Its loads are dropped with it; whoever waits asks
//!   again, and runs in person what was lost to him once.
//! - *What is foreign and concerns one key panics*: the clone, the weight, a tag. Each key lands by itself, and only its own
//!   callers ask again.

mod ask;
mod open;
mod run;
#[cfg(all(test, not(cache_core_model)))]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use equivalent::Equivalent;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

pub(crate) use self::ask::ask;
pub(crate) use self::open::Batches;
use crate::cache::Cache;
use crate::detached::OnTimeout;
use crate::flight::SharedError;
use crate::freshness::LoadTimeout;
use crate::key::{Key, Value};
use crate::load::Load;

/// A batch's body under way, of which only keys and values are known.
pub(crate) type Bringing<K, V> = Pin<Box<dyn Future<Output = Result<Vec<(K, V)>, SharedError>> + Send>>;

/// A body that waits for the keys.
pub(crate) type Body<K, V> = Box<dyn FnOnce(Vec<K>) -> Bringing<K, V> + Send>;

/// What a caller gets for one key.
pub(crate) type Found<V, E> = Result<Option<V>, E>;

/// Makes a body of a call that loads several keys.
pub(crate) fn body<K, V, E, M, F>(load: impl FnOnce(Vec<K>) -> F + Send + 'static) -> Body<K, V>
where
    K: Key,
    V: Value,
    E: Send + Sync + 'static,
    M: IntoIterator<Item = (K, V)>,
    F: Future<Output = Result<M, E>> + Send + 'static,
{
    Box::new(move |keys| {
        Box::pin(async move {
            match load(keys).await {
                Ok(values) => Ok(values.into_iter().collect()),
                Err(error) => Err(Arc::new(error) as SharedError),
            }
        })
    })
}

impl<K: Key, V: Value> Cache<K, V> {
    /// Loads by many keys at once: keys that are asked for within `window`, by any task, go into one call of `load`, and
    /// `max_batch` keys at once (0 counts as 1).
    ///
    /// A window of zero lasts until the runtime comes to the task of the batch, which gathers what one task asks for at
    /// once, and little else.
    ///
    /// # Example: one call for two
    /// ```
    /// use std::collections::HashMap;
    /// use std::time::Duration;
    /// use cache_core::Cache;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), String> {
    /// let cache = Cache::<u64, String>::builder().name("users").build();
    /// let users = cache.batched(Duration::from_millis(5), 100, |ids: Vec<u64>| async move {
    ///     // Such as `SELECT id, name FROM users WHERE id = ANY($1)`.
    ///     let found: HashMap<u64, String> = ids.into_iter().map(|id| (id, format!("user {id}"))).collect();
    ///     Ok::<_, String>(found)
    /// });
    /// let (a, b) = futures::join!(users.get(7), users.get(8));
    /// assert_eq!((a?, b?), (Some("user 7".to_owned()), Some("user 8".to_owned())));
    /// assert_eq!(cache.stats().batches, 1);
    /// # Ok(()) }
    /// ```
    pub fn batched<E, M, F>(
        &self,
        window: Duration,
        max_batch: usize,
        load: impl Fn(Vec<K>) -> F + Send + Sync + 'static,
    ) -> Batched<K, V, E>
    where
        E: Clone + Send + Sync + 'static,
        M: IntoIterator<Item = (K, V)>,
        F: Future<Output = Result<M, E>> + Send + 'static,
    {
        let load = Arc::new(load);
        Batched {
            cache: self.clone(),
            batches: Batches::new(window, max_batch, |_| true),
            body: Arc::new(move || {
                let load = Arc::clone(&load);
                body(move |keys| load(keys))
            }),
            on_timeout: None,
        }
    }
}

/// Loads the keys of a cache by many at once. A cheap clone; its clones share their batches.
///
/// Made by [`Cache::batched`]. A key that is in the cache never enters a batch, and one that is loading already, in an earlier
/// batch or by other means, is waited for. So at no time are there two loads of a key that could be kept.
///
/// The body runs as a task, on the runtime, in the [session](crate::session) and, with the feature `tracing`, in the span of the
/// caller who opened the batch. Callers in different sessions do not share one. Called outside of any runtime of tokio's, it
/// runs on a thread of the library's.
///
/// What the body returns may be a `HashMap`, a `BTreeMap`, a `Vec` of pairs: anything that yields keys and values. Of two values
/// for a key the later counts. A key that was not asked for is ignored: nothing says that it was read after the last
/// invalidation of that key.
///
/// A key that the body leaves out has no value. Its callers get `None`, and others theirs; an old value of it is gone. With
/// [`none_ttl`](crate::Builder::none_ttl) that is kept for a while.
///
/// # Errors
/// An error of the body reaches every caller of its batch, and is kept for [`err_ttl`](crate::Builder::err_ttl). Who has an old
/// value ([`stale_if_error`](crate::Builder::stale_if_error)) gets that instead.
///
/// # Cancellation
/// A caller that goes away leaves the batch, and the others, alone: its key is loaded and kept all the same.
///
/// # Panics
/// If the body panics, in the caller that opened the batch; the others ask once more. If the body asks for a key of its own
/// batch.
///
/// # Example: a table
/// ```
/// use std::time::Duration;
/// use cache_core::{Batched, Cache};
///
/// #[derive(Clone)]
/// struct Prices {
///     by_id: Batched<u64, u32, String>,
/// }
///
/// impl Prices {
///     fn new() -> Self {
///         let cache = Cache::builder().name("prices").ttl(Duration::from_secs(60)).build();
///         Self { by_id: cache.batched(Duration::from_millis(2), 500, read) }
///     }
/// }
///
/// async fn read(ids: Vec<u64>) -> Result<Vec<(u64, u32)>, String> {
///     Ok(ids.into_iter().filter(|id| id % 2 == 0).map(|id| (id, 100)).collect())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let prices = Prices::new();
/// assert_eq!(prices.by_id.get(4).await, Ok(Some(100)));
/// assert_eq!(prices.by_id.get(5).await, Ok(None));
/// # }
/// ```
pub struct Batched<K: Key, V: Value, E> {
    cache: Cache<K, V>,
    batches: Arc<Batches<K, V>>,
    body: Arc<dyn Fn() -> Body<K, V> + Send + Sync>,
    on_timeout: Option<OnTimeout<Found<V, E>>>,
}

impl<K: Key, V: Value, E: Clone + Send + Sync + 'static> Batched<K, V, E> {
    /// The value of a key, from the cache or through a batch; `None` if there is none.
    ///
    /// # Errors
    /// What the body returned.
    ///
    /// # Example: there, and not there
    /// ```
    /// # use std::{collections::HashMap, time::Duration};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let squares = cache.batched(Duration::ZERO, 100, |n: Vec<u64>| async move {
    ///     Ok::<HashMap<_, _>, String>(n.into_iter().filter(|n| *n < 100).map(|n| (n, n * n)).collect())
    /// });
    /// assert_eq!(squares.get(7).await, Ok(Some(49)));
    /// assert_eq!(squares.get(700).await, Ok(None));
    /// # }
    /// ```
    pub async fn get(&self, key: K) -> Result<Option<V>, E> {
        let found = look(&self.cache, &key, || key.clone());
        ask(&self.batches, found, self.on_timeout, || (self.body)()).await
    }

    /// The values of several keys, of those that have one. What is not in the cache goes into as few batches as there is
    /// room in.
    ///
    /// # Errors
    /// The first error of a batch that one of the keys was in. Other batches go on.
    ///
    /// # Example: two of three
    /// ```
    /// # use std::{collections::HashMap, time::Duration};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let squares = cache.batched(Duration::ZERO, 100, |n: Vec<u64>| async move {
    ///     Ok::<HashMap<_, _>, String>(n.into_iter().filter(|n| *n < 100).map(|n| (n, n * n)).collect())
    /// });
    /// assert_eq!(squares.get_many([2, 3, 700]).await, Ok(HashMap::from([(2, 4), (3, 9)])));
    /// assert_eq!(cache.stats().batches, 1);
    /// # }
    /// ```
    pub async fn get_many(&self, keys: impl IntoIterator<Item = K>) -> Result<HashMap<K, V>, E> {
        many(keys, |key| self.get(key)).await
    }

    /// Loads the key now and stores it, whatever the cache holds, through a batch. A load that was under way is detached, as
    /// [`Cache::refresh`] does it.
    ///
    /// # Errors
    /// What the body returned. The former value stays in place.
    ///
    /// # Example: newer than what is there
    /// ```
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, &str>::builder().build();
    /// let names = cache.batched(Duration::ZERO, 100, |ids: Vec<u64>| async move {
    ///     Ok::<Vec<_>, String>(ids.into_iter().map(|id| (id, "new")).collect())
    /// });
    /// cache.insert(7, "old").await;
    /// assert_eq!(names.refresh(7).await, Ok(Some("new")));
    /// assert_eq!(cache.get(&7), Some("new"));
    /// # }
    /// ```
    pub async fn refresh(&self, key: K) -> Result<Option<V>, E> {
        let shared = self.cache.shared();
        let load = Load::again(&shared, shared.hash(&key), key, None);
        ask(&self.batches, Err(load), self.on_timeout, || (self.body)()).await
    }

    /// The cache.
    ///
    /// # Example: an invalidation
    /// ```
    /// # async fn forget(users: &cache_core::Batched<u64, String, String>) {
    /// users.cache().invalidate(&7).await;
    /// # }
    /// ```
    pub fn cache(&self) -> &Cache<K, V> {
        &self.cache
    }

    /// Has callers wait no longer than the [`load_timeout`](crate::Builder::load_timeout) of the cache, if it has one. The batch
    /// goes on.
    ///
    /// # Example: two seconds
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Batched, Cache, LoadTimeout};
    ///
    /// let cache = Cache::<u64, u64>::builder().load_timeout(Duration::from_secs(2)).build();
    /// let squares: Batched<_, _, LoadTimeout> = cache
    ///     .batched(Duration::from_millis(5), 100, |n: Vec<u64>| async move {
    ///         Ok(n.into_iter().map(|n| (n, n * n)).collect::<Vec<_>>())
    ///     })
    ///     .timing_out();
    /// # drop(squares);
    /// ```
    pub fn timing_out(mut self) -> Self
    where
        E: From<LoadTimeout>,
    {
        self.on_timeout = Some(timed_out);
        self
    }
}

/// The first look at a key, for one who can have it loaded in a batch.
pub(crate) fn look<K: Key, V: Value, Q>(
    cache: &Cache<K, V>,
    lookup: &Q,
    key: impl FnOnce() -> K,
) -> Result<V, Load<K, V>>
where
    Q: Hash + Equivalent<K> + ?Sized,
{
    let shared = cache.shared();
    let hash = shared.hash(lookup);
    shared
        .see(hash, lookup, true)
        .map_err(|claim| Load::first(&shared, hash, key(), None).with(claim))
}

/// Asks for each of several keys at once, and gathers what there is.
pub(crate) async fn many<K, V, E, F>(
    keys: impl IntoIterator<Item = K>,
    get: impl Fn(K) -> F,
) -> Result<HashMap<K, V>, E>
where
    K: Key,
    F: Future<Output = Found<V, E>>,
{
    let keys: HashSet<K> = keys.into_iter().collect();
    let mut found = HashMap::with_capacity(keys.len());
    let mut asked: FuturesUnordered<_> = keys
        .into_iter()
        .map(|key| {
            let value = get(key.clone());
            async move { (key, value.await) }
        })
        .collect();
    while let Some((key, value)) = asked.next().await {
        if let Some(value) = value? {
            found.insert(key, value);
        }
    }
    Ok(found)
}

pub(crate) fn timed_out<V, E: From<LoadTimeout>>(timeout: LoadTimeout) -> Found<V, E> {
    Err(timeout.into())
}

impl<K: Key, V: Value, E> Clone for Batched<K, V, E> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            batches: Arc::clone(&self.batches),
            body: Arc::clone(&self.body),
            on_timeout: self.on_timeout,
        }
    }
}

impl<K: Key, V: Value, E> fmt::Debug for Batched<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batched")
            .field("cache", &self.cache)
            .field("batches", &self.batches)
            .finish_non_exhaustive()
    }
}
