//! Guards of mutations: what is being changed is evicted before, kept out meanwhile, and evicted again after.

use std::fmt;
use std::sync::Arc;

use crate::key::{Key, Value};
use crate::shared::Shared;
use crate::tag::{Index, Tag};

/// Keeps a key, a whole cache, or what carries a tag out of the cache while its data changes.
///
/// Made by [`Cache::begin_mutation`](crate::Cache::begin_mutation),
/// [`Cache::begin_mutation_all`](crate::Cache::begin_mutation_all) and
/// [`begin_tag_mutation`](crate::begin_tag_mutation), which evict; from then until the end of the guard nothing that is
/// loaded for what it covers is kept; its end evicts once more. The end is [`finish`](Self::finish), or being
/// dropped: by an error, a panic, or a future that is dropped half way. Guards of the same key may overlap.
///
/// # Example: a write between two evictions
/// ```
/// use cache_core::Cache;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, &str>::builder().build();
/// cache.insert(1, "old").await;
///
/// let guard = cache.begin_mutation(&1).await;
/// assert_eq!(cache.get(&1), None);
/// cache.get_or_load(1, || async { "read too early" }).await;
/// assert_eq!(cache.get(&1), None);
/// guard.finish().await;
///
/// assert_eq!(cache.get_or_load(1, || async { "new" }).await, "new");
/// # }
/// ```
#[must_use = "dropping the guard ends the mutation"]
pub struct MutationGuard(Option<Box<dyn Mutation>>);

impl MutationGuard {
    pub(crate) fn key<K: Key, V: Value>(cache: &Arc<Shared<K, V>>, hash: u64, key: K) -> Self {
        let gone = cache.fence(hash, &key);
        let guard = Self(Some(Box::new(OfKey {
            cache: Arc::clone(cache),
            hash,
            key,
        })));
        cache.count_invalidated(gone);
        guard
    }

    pub(crate) fn all<K: Key, V: Value>(cache: &Arc<Shared<K, V>>) -> Self {
        let cleared = cache.fence_all();
        let guard = Self(Some(Box::new(OfAll {
            cache: Arc::clone(cache),
        })));
        cache.count_cleared(cleared);
        guard
    }

    /// A mutation of nothing.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    pub(crate) fn tag(index: &'static Index, tag: Tag) -> Self {
        // Answered for before anything is evicted, so that the fence goes whatever happens then.
        let evicting = index.fence(&tag);
        let guard = Self(Some(Box::new(OfTag { index, tag })));
        drop(evicting);
        guard
    }

    /// Ends the mutation: evicts what was loaded meanwhile and lets loads be kept again.
    ///
    /// # Cancellation
    /// Dropping this future before it is done ends the mutation as well.
    ///
    /// # Example: the end of a mutation of everything
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.begin_mutation_all().await.finish().await;
    /// # }
    /// ```
    // What a tier shared between processes will have to hear of is async from the start.
    #[expect(clippy::unused_async)]
    pub async fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(mutation) = self.0.take() {
            mutation.end();
        }
    }
}

impl Drop for MutationGuard {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for MutationGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MutationGuard")
    }
}

/// A mutation under way, whatever the types of its cache.
trait Mutation: Send + Sync {
    fn end(&self);
}

struct OfKey<K, V> {
    cache: Arc<Shared<K, V>>,
    hash: u64,
    key: K,
}

impl<K: Key, V: Value> Mutation for OfKey<K, V> {
    fn end(&self) {
        self.cache.unfence(self.hash, &self.key);
    }
}

struct OfTag {
    index: &'static Index,
    tag: Tag,
}

impl Mutation for OfTag {
    fn end(&self) {
        self.index.unfence(&self.tag);
    }
}

struct OfAll<K, V> {
    cache: Arc<Shared<K, V>>,
}

impl<K: Key, V: Value> Mutation for OfAll<K, V> {
    fn end(&self) {
        self.cache.unfence_all();
    }
}
