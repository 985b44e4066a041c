//! What the clones of a cache share: its store, its table of flights, and the numbers.
//!
//! Everything that changes the store for a key does so under the lock that the table of flights has for that key; see the
//! invariants in [`crate::flight`]. What leaves the store is dropped after that lock, because a value's drop is foreign
//! code.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use equivalent::Equivalent;

use crate::builder::{Builder, Weigher};
use crate::clock::{Clock, Nanos};
use crate::flight::Flights;
use crate::key::{Key, Value};
use crate::reaper::{self, Reclaim};
use crate::stats::{Count, Counters, Stats};
use crate::store::{Cleared, Entry, MokaStore, Store};

/// How many expired entries a store operation drops on its way, so that no caller pays for a thousand.
const RECLAIM_BATCH: usize = 64;

pub(crate) struct Shared<K, V> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) store: MokaStore<K, V>,
    pub(crate) flights: Flights<K, Arc<Entry<V>>>,
    pub(crate) counters: Counters,
    clock: Clock,
    hasher: foldhash::fast::RandomState,
    pub(crate) ttl: Option<Duration>,
    tti: Option<Duration>,
    weigher: Option<Weigher<K, V>>,
    keeps_nothing: bool,
    max_weight: Option<u64>,
    /// What the store had evicted when the statistics were last reset.
    evictions_before: AtomicU64,
    /// Whether the reaper knows of this cache.
    watched: AtomicBool,
}

impl<K: Key, V: Value> Shared<K, V> {
    pub(crate) fn new(builder: Builder<K, V>) -> Self {
        Self {
            store: MokaStore::new(builder.policy, builder.bound),
            name: builder.name,
            flights: Flights::new(),
            counters: Counters::default(),
            clock: builder.clock,
            hasher: foldhash::fast::RandomState::default(),
            ttl: builder.ttl,
            tti: builder.tti,
            weigher: builder.weigher,
            keeps_nothing: builder.bound.keeps_nothing(),
            max_weight: builder.bound.max_weight(),
            evictions_before: AtomicU64::new(0),
            watched: AtomicBool::new(false),
        }
    }

    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// The entry of a key, uncounted.
    pub(crate) fn entry<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<V>>> {
        self.store.get(hash, key, || self.now())
    }

    /// The same under the lock of the key, after a look that found nothing: most often there still is none.
    pub(crate) fn recheck<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<V>>> {
        if self.store.contains(hash, key) {
            self.entry(hash, key)
        } else {
            None
        }
    }

    /// The value of a key, counted if it is a hit.
    pub(crate) fn find<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<V> {
        let entry = self.entry(hash, key)?;
        self.counters.one(Count::Hits);
        Some(entry.value.clone())
    }

    /// A value made ready to be stored. Asks the weigher, so not under a lock.
    pub(crate) fn entry_for(&self, key: &K, value: V, ttl: Option<Duration>) -> Arc<Entry<V>> {
        let weight = self.weigher.as_ref().map_or(1, |weigher| weigher(key, &value).max(1));
        Arc::new(Entry::new(value, weight, self.now(), ttl, self.tti))
    }

    /// The same with the cache's own time to live.
    pub(crate) fn loaded(&self, key: &K, value: V) -> Arc<Entry<V>> {
        self.entry_for(key, value, self.ttl)
    }

    /// Stores an entry. Only under the lock of its key; the caller drops what comes back after it.
    pub(crate) fn keep(self: &Arc<Self>, hash: u64, key: K, entry: Arc<Entry<V>>) -> Option<Arc<Entry<V>>> {
        let mortal = entry.is_mortal();
        let too_heavy = self.max_weight.is_some_and(|most| u64::from(entry.weight()) > most);
        // Not even for a moment: it would push out what could stay.
        if self.keeps_nothing || too_heavy || (mortal && entry.is_expired(self.now())) {
            return self.store.remove(hash, &key);
        }
        let replaced = self.store.insert(hash, key, entry);
        self.counters.one(Count::Insertions);
        if let Some(replaced) = &replaced
            && replaced.is_mortal()
            && replaced.is_expired(self.now())
        {
            self.counters.one(Count::Expirations);
        }
        if mortal && self.clock.runs() {
            if !self.watched.swap(true, Ordering::Relaxed) {
                let this = Arc::downgrade(self);
                reaper::watch(this);
            }
            reaper::nudge();
        }
        replaced
    }

    pub(crate) fn evict<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> bool {
        let gone = self.flights.evict(hash, key, || self.store.remove(hash, key));
        self.count_invalidated(gone.as_ref())
    }

    /// Fences a key. The caller MUST answer for the fence before it counts what comes back.
    pub(crate) fn fence(&self, hash: u64, key: &K) -> Option<Arc<Entry<V>>> {
        self.flights.fence(hash, key, || self.store.remove(hash, key))
    }

    pub(crate) fn unfence(&self, hash: u64, key: &K) {
        let gone = self.flights.unfence(hash, key, || self.store.remove(hash, key));
        self.count_invalidated(gone.as_ref());
    }

    /// Fences every key, likewise.
    pub(crate) fn fence_all(&self) -> impl Cleared + use<K, V> {
        self.flights.fence_all(|| self.store.clear())
    }

    pub(crate) fn count_cleared(&self, cleared: impl Cleared) {
        self.counters.add(Count::Invalidations, cleared.count());
        drop(cleared);
        self.store.bury();
    }

    pub(crate) fn unfence_all(&self) {
        let cleared = self.flights.unfence_all(|| self.store.clear());
        self.count_cleared(cleared);
    }

    /// Whether there was an entry anybody could have got.
    pub(crate) fn count_invalidated(&self, gone: Option<&Arc<Entry<V>>>) -> bool {
        let Some(gone) = gone else { return false };
        self.store.settle();
        let expired = gone.is_mortal() && gone.is_expired(self.now());
        self.counters.one(if expired {
            Count::Expirations
        } else {
            Count::Invalidations
        });
        !expired
    }

    /// Drops a few expired entries. `false` when none is left.
    pub(crate) fn reclaim_some(&self) -> bool {
        if self.store.next_deadline().is_none_or(|next| next > self.now()) {
            return false;
        }
        let now = self.now();
        let due = self.store.due(now, RECLAIM_BATCH);
        for due in &due {
            // Until after the lock, where the last reference may be dropped.
            let _held = due.hold();
            let gone = self.flights.guarded(due.hash(), || self.store.remove_expired(due, now));
            self.counters.add(Count::Expirations, u64::from(gone.is_some()));
        }
        self.store.bury();
        due.len() == RECLAIM_BATCH
    }

    /// How many entries there are, without those that have expired.
    pub(crate) fn len(&self) -> u64 {
        self.reclaim_all();
        self.store.len()
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.counters.read(self.len());
        let before = self.evictions_before.load(Ordering::Relaxed);
        stats.evictions = self.store.evictions().saturating_sub(before);
        stats
    }

    pub(crate) fn reset_stats(&self) {
        self.counters.reset();
        self.evictions_before.store(self.store.evictions(), Ordering::Relaxed);
    }

    pub(crate) fn reclaim_all(&self) {
        while self.reclaim_some() {}
    }
}

impl<K: Key, V: Value> Reclaim for Shared<K, V> {
    fn reclaim(&self) -> bool {
        self.reclaim_all();
        let is_settled = self.store.settle();
        !is_settled || self.store.next_deadline().is_some()
    }
}
