//! Many keys in one pass: looked up, stored or evicted.
//!
//! They are taken [`STEP`] at a time. All that is foreign code of values (weights, tags, TTLs, drops) runs before the locks
//! of a step or after them. Between two steps other tasks get their turn.

use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use equivalent::Equivalent;

use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::observer::Reason;
use crate::shared::Shared;
use crate::stats::Count;
use crate::store::{Entry, Store as _, drop_each};
use crate::tag::{self, Tag, Tags};
use crate::world;

/// How many keys are seen to under one holding of the locks: enough that taking them does not count, few enough that others
/// do not wait for long.
const STEP: usize = 256;

impl<K: Key, V: Value> Cache<K, V> {
    /// The values of several keys, in the order of the keys, as [`get`](Self::get) would find each, and in less time than it
    /// would take one after the other. A key that is asked for twice is found twice.
    ///
    /// # Example: what is there, and what is not
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<String, u64>::builder().build();
    /// cache.insert("seven".to_owned(), 7).await;
    /// assert_eq!(cache.get_many(["six", "seven"]), [None, Some(7)]);
    /// assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
    /// # }
    /// ```
    pub fn get_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
    {
        let shared = self.shared();
        let mut keys = keys.into_iter().peekable();
        let mut found = Vec::with_capacity(keys.size_hint().0);
        while keys.peek().is_some() {
            let before = found.len();
            shared.store.during(|| {
                found.extend(keys.by_ref().take(STEP).map(|key| shared.read(shared.hash(key), key)));
            });
            let hits = found[before..].iter().filter(|value| value.is_some()).count();
            shared.count_hits(hits as u64);
            shared.count_misses((found.len() - before - hits) as u64);
        }
        found
    }

    /// Stores several values, in their order, as [`insert`](Self::insert) would store each. Of two for one key the later
    /// stays.
    ///
    /// # Cancellation
    /// Dropped half way, it has stored those that came first, and not the others.
    ///
    /// # Panics
    /// If what weighs or tags a value, or tells its TTL, panics: then those that came before it may have been stored or not,
    /// and those after it have not.
    ///
    /// # Example: two at once
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let squares = cache_core::Cache::<u64, u64>::builder().build();
    /// squares.insert_many((1..=3).map(|n| (n, n * n))).await;
    /// assert_eq!(squares.get_many(&[2, 3, 4]), [Some(4), Some(9), None]);
    /// # }
    /// ```
    pub async fn insert_many(&self, entries: impl IntoIterator<Item = (K, V)>) {
        let shared = self.shared();
        let mut entries = entries.into_iter();
        loop {
            let made: Vec<_> = entries
                .by_ref()
                .take(STEP)
                .map(|(key, value)| Ready::new(&shared, key, value))
                .collect();
            let is_last = made.len() < STEP;
            shared.put_many(made);
            if is_last {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Evicts several keys, each with the force of [`invalidate`](Self::invalidate), and says how many entries that were.
    ///
    /// Once this has returned, no call that starts later gets a value of any of them that began to load before it did.
    ///
    /// # Cancellation
    /// All are evicted even if this is cancelled, once it has been polled.
    ///
    /// # Example: two that were there
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// cache.insert_many((0..10).map(|n| (n, n))).await;
    /// assert_eq!(cache.invalidate_many(&[1, 2, 11]).await, 2);
    /// assert_eq!(cache.len(), 8);
    /// # }
    /// ```
    pub async fn invalidate_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> usize
    where
        Q: Hash + Equivalent<K> + ?Sized + 'k,
    {
        let shared = self.shared();
        let mut rest = Rest {
            shared: &shared,
            keys: keys.into_iter().map(|key| (shared.hash(key), key)).collect(),
            next: 0,
            evicted: 0,
        };
        while rest.step() {
            tokio::task::yield_now().await;
        }
        rest.evicted
    }
}

/// A value made ready to be stored, with its tags.
struct Ready<K, V> {
    entry: Arc<Entry<K, V>>,
    tags: Vec<Tag>,
}

impl<K: Key, V: Value> Ready<K, V> {
    fn new(shared: &Shared<K, V>, key: K, value: V) -> Self {
        let mut tags = Tags::default();
        if shared.has_tags() {
            shared.tag_key(&key, &mut tags);
            shared.tag_value(&value, &mut tags);
        }
        let tags = tags.into_set(shared.worlds());
        Self {
            entry: shared.entry(shared.hash(&key), key, value, None),
            tags,
        }
    }
}

impl<K: Key, V: Value> Shared<K, V> {
    fn put_many(self: &Arc<Self>, made: Vec<Ready<K, V>>) {
        if made.is_empty() {
            return;
        }
        // So that what has expired takes nobody's room: as much of it as each by itself would have cleared away.
        let _ = made.iter().all(|_| self.reclaim_some());
        let mut replaced = Vec::new();
        let keys = made.iter().map(|it| (it.entry.hash(), &it.entry.key));
        let is_disabled = world::is_disabled();
        self.flights.put_many(keys, |place| {
            let Ready { entry, tags } = &made[place];
            replaced.extend(if is_disabled {
                self.push_out(entry.hash(), &entry.key)
            } else {
                self.keep_tagged(Arc::clone(entry), tags, tag::NOW)
            });
        });
        drop_each(replaced);
        drop_each(made);
        self.settle_soon();
    }

    fn evict_many<Q: Equivalent<K> + ?Sized>(self: &Arc<Self>, keys: &[(u64, &Q)]) -> usize {
        let mut gone = Vec::new();
        self.flights.evict_many(keys, |hash, key| {
            gone.extend(self.remove(hash, key, Reason::Key));
        });
        let expired = gone.iter().filter(|gone| gone.had_expired).count();
        let evicted = gone.len() - expired;
        self.counters.add(Count::Expirations, expired as u64);
        self.counters.add(Count::Invalidations, evicted as u64);
        drop_each(gone);
        self.settle_soon();
        evicted
    }
}

/// Keys that are still to be evicted; if it is dropped on the way, all that are left.
struct Rest<'k, K: Key, V: Value, Q: Equivalent<K> + ?Sized> {
    shared: &'k Arc<Shared<K, V>>,
    keys: Vec<(u64, &'k Q)>,
    next: usize,
    evicted: usize,
}

impl<K: Key, V: Value, Q: Equivalent<K> + ?Sized> Rest<'_, K, V, Q> {
    /// Evicts some of them. `false` at the end.
    fn step(&mut self) -> bool {
        let until = self.keys.len().min(self.next + STEP);
        // Moved on first, so that who panics here does not come here again.
        let from = std::mem::replace(&mut self.next, until);
        if from < until {
            self.evicted += self.shared.evict_many(&self.keys[from..until]);
        }
        until < self.keys.len()
    }
}

impl<K: Key, V: Value, Q: Equivalent<K> + ?Sized> Drop for Rest<'_, K, V, Q> {
    fn drop(&mut self) {
        // A key that cannot be compared must not keep the others in, nor end the process when it is not the first.
        while catch_unwind(AssertUnwindSafe(|| self.step())).unwrap_or(true) {}
    }
}
