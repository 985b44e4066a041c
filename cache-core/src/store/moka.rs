//! The store on moka: its concurrent map and its eviction policies, as a plain place to keep entries.
//!
//! Left out on purpose: moka's `get_with` family, which would keep a stale load (our flights do that part), its
//! expiration, whose clock cannot be set by hand, and its `invalidate_all`, which goes by time stamps. A clear
//! swaps in an empty cache instead.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use equivalent::Equivalent;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

use super::expiry::ExpiryIndex;
use super::morgue::{Held, Morgue};
use super::{Bound, Cleared, Due, Entry, Policy, Store};
use crate::clock::Nanos;
use crate::key::{Key, Value};

/// Garbage is freed two epochs after it was retired, and each flush moves on by one at most.
const EPOCHS_TO_FREE: usize = 4;

pub(crate) struct MokaStore<K, V> {
    room: ArcSwap<Room<K, V>>,
    policy: Policy,
    bound: Bound,
    evictions: Arc<AtomicU64>,
    morgue: Arc<Morgue<Dead<K, V>>>,
}

/// A removed entry, with what the expiry index had of it.
struct Dead<K, V> {
    entry: Arc<Entry<V>>,
    _due: Option<Due<K, V>>,
}

impl<K, V> Held for Dead<K, V> {
    fn is_last(&self) -> bool {
        Arc::strong_count(&self.entry) == 1
    }
}

/// What a clear throws away as a whole.
struct Room<K, V> {
    map: moka::sync::Cache<Hashed<K>, Arc<Entry<V>>, Ready>,
    expiry: Arc<ExpiryIndex<K, V>>,
}

impl<K: Key, V: Value> MokaStore<K, V> {
    pub(crate) fn new(policy: Policy, bound: Bound) -> Self {
        let (evictions, morgue) = (Arc::new(AtomicU64::new(0)), Arc::new(Morgue::new()));
        Self {
            room: ArcSwap::from_pointee(Room::new(policy, bound, &evictions, &morgue)),
            policy,
            bound,
            evictions,
            morgue,
        }
    }
}

impl<K: Key, V: Value> Room<K, V> {
    fn new(policy: Policy, bound: Bound, evictions: &Arc<AtomicU64>, morgue: &Arc<Morgue<Dead<K, V>>>) -> Self {
        let expiry = Arc::new(ExpiryIndex::new());
        let listener = {
            let (expiry, evictions, morgue) = (Arc::clone(&expiry), Arc::clone(evictions), Arc::clone(morgue));
            move |_: Arc<Hashed<K>>, entry: Arc<Entry<V>>, cause| {
                let due = expiry.strike(&entry);
                morgue.take_in(Dead { entry, _due: due });
                if cause == RemovalCause::Size {
                    evictions.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let builder = moka::sync::Cache::builder()
            .eviction_policy(match policy {
                Policy::Lru => EvictionPolicy::lru(),
                Policy::TinyLfu => EvictionPolicy::tiny_lfu(),
            })
            .eviction_listener(listener);
        let builder = match bound {
            Bound::Entries(most) => builder.max_capacity(most),
            Bound::Weight(most) => builder
                .max_capacity(most)
                .weigher(|_, entry: &Arc<Entry<V>>| entry.weight),
            Bound::Unbounded => builder,
        };
        Self {
            map: builder.build_with_hasher(Ready),
            expiry,
        }
    }
}

impl<K: Key, V: Value> Store<K, V> for MokaStore<K, V> {
    fn get<Q>(&self, hash: u64, key: &Q, now: impl Fn() -> Nanos) -> Option<Arc<Entry<V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let entry = self.room.load().map.get(&Lookup { hash, key })?;
        if entry.is_mortal() {
            let now = now();
            if entry.is_expired(now) {
                return None;
            }
            entry.touch(now);
        }
        Some(entry)
    }

    fn insert(&self, hash: u64, key: K, entry: Arc<Entry<V>>) -> Option<Arc<Entry<V>>> {
        let room = self.room.load();
        // Asked first whether it is there, because a `get` counts as a use even of what is not.
        let lookup = Lookup { hash, key: &key };
        let former = if room.map.contains_key(&lookup) {
            room.map.get(&lookup)
        } else {
            None
        };
        room.expiry.list(&entry, hash, || key.clone());
        room.map.insert(Hashed { hash, key }, entry);
        // moka settles reads and evictions when it finds the time; the bounds and the order of use are exact only
        // if that is now.
        room.map.run_pending_tasks();
        former
    }

    fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.room.load().map.remove(&Lookup { hash, key })
    }

    fn clear(&self) -> impl Cleared + use<K, V> {
        let fresh = Room::new(self.policy, self.bound, &self.evictions, &self.morgue);
        ClearedRoom(self.room.swap(Arc::new(fresh)))
    }

    fn due(&self, now: Nanos, limit: usize) -> Vec<Due<K, V>> {
        self.room.load().expiry.due(now, limit)
    }

    fn remove_expired(&self, due: &Due<K, V>, now: Nanos) -> Option<Arc<Entry<V>>> {
        // Not by moka's `get`, which would count as a use.
        let entry = due.entry.upgrade()?;
        let room = self.room.load();
        if room.expiry.id != due.index || entry.has_left.load(Ordering::Relaxed) {
            // Somebody else has removed it.
            return None;
        }
        if !entry.is_expired(now) {
            room.expiry.list(&entry, due.hash, || due.key.clone());
            return None;
        }
        // Nobody else changes this key meanwhile, so what is there is this entry.
        room.map.remove(&Lookup {
            hash: due.hash,
            key: &due.key,
        })
    }

    fn bury(&self) {
        self.morgue.bury();
    }

    fn contains<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.room.load().map.contains_key(&Lookup { hash, key })
    }

    fn settle(&self) -> bool {
        // What was removed is still named in moka's log of operations,
        self.room.load().map.run_pending_tasks();
        // and then waits until no reader can have it: for the collector to go round, which only use makes it do.
        for _ in 0..EPOCHS_TO_FREE {
            crossbeam_epoch::pin().flush();
        }
        self.morgue.bury()
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.room.load().expiry.next()
    }

    fn len(&self) -> u64 {
        let room = self.room.load();
        room.map.run_pending_tasks();
        room.map.entry_count()
    }

    fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

struct ClearedRoom<K, V>(Arc<Room<K, V>>);

impl<K: Key, V: Value> Cleared for ClearedRoom<K, V> {
    fn count(&self) -> u64 {
        self.0.map.run_pending_tasks();
        self.0.map.entry_count()
    }
}

/// A key with its hash, so that the store does not hash it again.
struct Hashed<K> {
    hash: u64,
    key: K,
}

impl<K> Hash for Hashed<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<K: Eq> PartialEq for Hashed<K> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.key == other.key
    }
}

impl<K: Eq> Eq for Hashed<K> {}

/// What a [`Hashed`] key is looked up with.
struct Lookup<'q, Q: ?Sized> {
    hash: u64,
    key: &'q Q,
}

impl<Q: ?Sized> Hash for Lookup<'_, Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<K, Q: Equivalent<K> + ?Sized> Equivalent<Hashed<K>> for Lookup<'_, Q> {
    fn equivalent(&self, stored: &Hashed<K>) -> bool {
        self.hash == stored.hash && self.key.equivalent(&stored.key)
    }
}

/// The hasher for what is hashed already.
#[derive(Clone, Copy, Default)]
struct Ready;

struct ReadyHasher(u64);

impl BuildHasher for Ready {
    type Hasher = ReadyHasher;

    fn build_hasher(&self) -> ReadyHasher {
        ReadyHasher(0)
    }
}

impl Hasher for ReadyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is ever called on it; this keeps the trait's promise all the same.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// An entry that somebody removes between being found due and being looked at is dropped like any other.
    #[test]
    fn an_entry_removed_while_it_is_due_is_freed() {
        let store = MokaStore::<u64, Arc<()>>::new(Policy::Lru, Bound::Entries(10));
        let value = Arc::new(());
        let entry = Entry::new(Arc::clone(&value), 1, 0, Some(Duration::from_nanos(1)), None);
        store.insert(1, 1, Arc::new(entry));
        let reader = store.get(1, &1, || 0);
        let due = store.due(5, 10);
        assert_eq!(due.len(), 1);
        // Both before the reader lets go, so that neither reference is the last.
        assert!(store.remove(1, &1).is_some());
        let held = due[0].hold();
        assert!(store.remove_expired(&due[0], 5).is_none());
        drop((held, due, reader));
        // Other tests may hold the collector up for a moment.
        assert!((0..1_000).any(|_| {
            std::thread::yield_now();
            store.settle()
        }));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
