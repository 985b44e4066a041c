//! A cache of values with revisions, without the macro.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use super::bring::{obtain_here, obtain_spawned};
use super::failure::SourceError;
use super::look::Looked;
use super::{BackgroundError, Lookup, OnChange, Revised};
use crate::builder::Builder;
use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::outcome::{Kind, PLAIN, SHARED};

impl<K: Key, V: Value> Builder<K, Revised<V>> {
    /// What becomes of a call that reads another revision than its value has: [`OnChange::Reload`] unless given.
    ///
    /// # Example: the old value first
    /// ```
    /// use cache_core::Cache;
    /// use cache_core::revision::{OnChange, Revised};
    /// let cache = Cache::<u64, Revised<String>>::builder().on_change(OnChange::Stale).build();
    /// # drop(cache);
    /// ```
    pub fn on_change(mut self, on_change: OnChange) -> Self {
        self.rule.on_change = on_change;
        self
    }

    /// For how long a value may serve that is outdated, or of which that is not known: 60 seconds unless given.
    ///
    /// It is counted from when the value was last known to be up to date, which is when a call has last read its revision or,
    /// before that, when its load began; to a tenth of a second, and never in favour of the old value. So a value that is hours old
    /// and was up to date a second ago can serve, and none is served that has been outdated for longer.
    ///
    /// # Example: five minutes
    /// ```
    /// use std::time::Duration;
    /// use cache_core::Cache;
    /// use cache_core::revision::Revised;
    /// let cache = Cache::<u64, Revised<String>>::builder().max_stale(Duration::from_secs(300)).build();
    /// # drop(cache);
    /// ```
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.rule.max_stale = max_stale;
        self
    }
}

impl<K: Key, V: Value> Cache<K, Revised<V>> {
    /// The value of a key at the revision of its data, or the one that `load` returns.
    ///
    /// The revision is awaited first, in each call. The same revision gives the value, whatever its age. Another one: see
    /// [`OnChange`]. The load belongs to its caller, so that with [`OnChange::Stale`] that caller waits for the new value, and
    /// all others are given the old one; [`spawn_at_revision`](Self::spawn_at_revision) lets nobody wait.
    ///
    /// # Cancellation
    /// As for [`get_or_load`](Self::get_or_load): a caller that waits for the load takes over.
    ///
    /// # Panics
    /// If `load` panics, or asks for the key it is loading.
    ///
    /// # Example: a counter for a revision
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use cache_core::Cache;
    /// use cache_core::revision::Revised;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let changes = AtomicU64::new(0);
    /// let cache = Cache::<u64, Revised<String>>::builder().build();
    /// let found = cache.get_at_revision(7, async { changes.load(Relaxed) }, || async { "seven".to_owned() }).await;
    /// assert_eq!(found.value, "seven");
    /// # }
    /// ```
    pub async fn get_at_revision<N, F, Fut>(&self, key: K, revision: impl Future<Output = N>, load: F) -> Lookup<V>
    where
        N: Eq + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        let looked = self.look_at(key, async { Ok(revision.await) }).await;
        let found = obtain_here::<Kind<PLAIN>, _, _, V, _>(looked, |_| true, |_| None, load).await;
        found.lookup()
    }

    /// The same for a revision and a load that may fail.
    ///
    /// If the revision cannot be read, a value that was up to date less than [`max_stale`](Builder::max_stale) ago serves, with
    /// [`Status::Unverified`](super::Status::Unverified); without one a new value is loaded, which serves for as long and is
    /// replaced as soon as the revision can be read again. [`last_error`](Self::last_error) has the reason.
    ///
    /// # Errors
    /// What `load` returned, here or for the caller whose load it was.
    ///
    /// # Cancellation
    /// As for [`get_or_load`](Self::get_or_load): a caller that waits for the load takes over.
    ///
    /// # Panics
    /// As for [`get_at_revision`](Self::get_at_revision).
    ///
    /// # Example: the source is down
    /// ```
    /// use cache_core::Cache;
    /// use cache_core::revision::{Revised, Status};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), String> {
    /// let cache = Cache::<u64, Revised<u64>>::builder().build();
    /// let load = || async { Ok::<_, String>(49) };
    /// cache.try_get_at_revision(7, async { Ok::<_, String>(1) }, load).await?;
    ///
    /// let down = async { Err::<i32, _>("connection refused") };
    /// let found = cache.try_get_at_revision(7, down, load).await?;
    /// assert_eq!((found.value, found.status), (49, Status::Unverified));
    /// assert_eq!(cache.last_error().unwrap().to_string(), "reading the revision failed: connection refused");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_get_at_revision<N, S, E, F, Fut>(
        &self,
        key: K,
        revision: impl Future<Output = Result<N, S>>,
        load: F,
    ) -> Result<Lookup<V>, E>
    where
        N: Eq + Send + Sync + 'static,
        S: Into<Box<dyn std::error::Error + Send + Sync>>,
        E: Clone + Display + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let looked = self
            .look_at(key, async { revision.await.map_err(SourceError::from) })
            .await;
        let found = obtain_here::<Kind<SHARED>, _, _, _, _>(looked, |_| true, describe::<V, E>, load).await;
        found.lookup()
    }

    /// As [`get_at_revision`](Self::get_at_revision), with a load that is a task of its own: with [`OnChange::Stale`] nobody waits
    /// for it who can be given the old value.
    ///
    /// # Cancellation
    /// The load goes on without its caller.
    ///
    /// # Panics
    /// As for [`get_at_revision`](Self::get_at_revision). A panic in the background is in [`last_error`](Self::last_error).
    ///
    /// # Example: what the load needs is its own
    /// ```
    /// use cache_core::Cache;
    /// use cache_core::revision::{OnChange, Revised, Status};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = Cache::<u64, Revised<u64>>::builder().on_change(OnChange::Stale).build();
    /// cache.spawn_at_revision(7, async { 1 }, || async { 49 }).await;
    /// let found = cache.spawn_at_revision(7, async { 2 }, || async { 64 }).await;
    /// assert_eq!((found.value, found.status), (49, Status::Stale));
    /// # }
    /// ```
    pub async fn spawn_at_revision<N, F, Fut>(&self, key: K, revision: impl Future<Output = N>, load: F) -> Lookup<V>
    where
        N: Eq + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
    {
        let looked = self.look_at(key, async { Ok(revision.await) }).await;
        let found = obtain_spawned::<Kind<PLAIN>, _, _, V, _>(looked, |_| true, |_| None, load).await;
        found.lookup()
    }

    /// The same for a revision and a load that may fail, as [`try_get_at_revision`](Self::try_get_at_revision) is.
    ///
    /// # Errors
    /// As for [`try_get_at_revision`](Self::try_get_at_revision). A failure in the background reaches nobody: it is in
    /// [`last_error`](Self::last_error), and another attempt is made no sooner than [`retry_after`](Builder::retry_after).
    ///
    /// # Cancellation
    /// The load goes on without its caller.
    ///
    /// # Panics
    /// As for [`spawn_at_revision`](Self::spawn_at_revision).
    ///
    /// # Example: an error
    /// ```
    /// use cache_core::Cache;
    /// use cache_core::revision::Revised;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = Cache::<u64, Revised<u64>>::builder().build();
    /// let revision = async { Ok::<_, String>(1) };
    /// let found = cache.try_spawn_at_revision(7, revision, || async { Err("no".to_owned()) }).await;
    /// assert_eq!(found.unwrap_err(), "no");
    /// # }
    /// ```
    pub async fn try_spawn_at_revision<N, S, E, F, Fut>(
        &self,
        key: K,
        revision: impl Future<Output = Result<N, S>>,
        load: F,
    ) -> Result<Lookup<V>, E>
    where
        N: Eq + Send + Sync + 'static,
        S: Into<Box<dyn std::error::Error + Send + Sync>>,
        E: Clone + Display + Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let looked = self
            .look_at(key, async { revision.await.map_err(SourceError::from) })
            .await;
        let found = obtain_spawned::<Kind<SHARED>, _, _, _, _>(looked, |_| true, describe::<V, E>, load).await;
        found.lookup()
    }

    /// What went wrong last of all that callers were not told of, because they were given a value all the same: reading the
    /// revision, or a refresh in the background. Until that has succeeded for the same key, or that value is gone.
    ///
    /// The latest 64 are remembered.
    ///
    /// # Example: nothing yet
    /// ```
    /// use cache_core::Cache;
    /// use cache_core::revision::Revised;
    /// let cache = Cache::<u64, Revised<u64>>::builder().build();
    /// assert!(cache.last_error().is_none());
    /// ```
    pub fn last_error(&self) -> Option<BackgroundError> {
        self.shared().gate().failures.last()
    }

    async fn look_at<N>(&self, key: K, revision: impl Future<Output = Result<N, SourceError>>) -> Looked<K, V>
    where
        N: Eq + Send + Sync + 'static,
    {
        let asked = self.shared().ask();
        let read = revision.await;
        let shared = self.shared();
        let question = shared.asked(asked, read);
        let hash = shared.hash(&key);
        shared.look_revised(hash, &key, || key.clone(), question, None, false)
    }
}

fn describe<V, E: Display>(outcome: &Result<V, E>) -> Option<String> {
    outcome.as_ref().err().map(ToString::to_string)
}
