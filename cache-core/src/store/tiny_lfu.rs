//! The store with the `TinyLFU` policy: moka's concurrent map, as a plain place to keep entries.
//!
//! Keys and entries are kept as trait objects, so that moka, which is large, is compiled once and not for each pair of
//! types; beside what a hit costs in moka, that is not seen.
//!
//! Left out on purpose: moka's `get_with` family, which would keep a stale load (our flights do that part), its
//! expiration, whose clock cannot be set by hand, and its `invalidate_all`, which goes by time stamps. A clear
//! swaps in an empty cache instead.

#[cfg(all(test, not(cache_core_model)))]
mod tests;

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use equivalent::Equivalent;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

use super::entry::{Entry, Facts, Kept, Standing};
use super::morgue::Morgue;
use super::ranking::Ranking;
use super::{Bound, Cleared, Due, Each, Journal, Look, Put, Ready, Remains, Store};
use crate::clock::{Clock, NEVER, Nanos};
use crate::key::{Key, Value};
use crate::sync::{Mutex, lock};

/// Garbage is freed two epochs after it was retired, and each flush moves on by one at most.
const EPOCHS_TO_FREE: usize = 4;

pub(crate) struct TinyLfuStore {
    room: ArcSwap<Room>,
    bound: Bound,
    generation: AtomicU64,
    evictions: Arc<AtomicU64>,
    morgue: Arc<Morgue>,
    journal: Arc<dyn Journal>,
}

/// What a clear throws away as a whole.
struct Room {
    map: moka::sync::Cache<StoredKey, Arc<dyn Kept>, Ready>,
    /// Its lock also orders who says first that an entry has left, with what the journal is told of that.
    by_deadline: Arc<Mutex<Ranking>>,
    generation: u64,
}

impl TinyLfuStore {
    pub(crate) fn new(bound: Bound, journal: Arc<dyn Journal>) -> Self {
        let (evictions, morgue) = (Arc::new(AtomicU64::new(0)), Arc::new(Morgue::new()));
        Self {
            room: ArcSwap::from_pointee(Room::new(0, bound, &evictions, &morgue, &journal)),
            bound,
            generation: AtomicU64::new(0),
            evictions,
            morgue,
            journal,
        }
    }
}

impl Room {
    fn new(
        generation: u64,
        bound: Bound,
        evictions: &Arc<AtomicU64>,
        morgue: &Arc<Morgue>,
        journal: &Arc<dyn Journal>,
    ) -> Self {
        let by_deadline = Arc::new(Mutex::new(Ranking::new(|facts: &Facts| &facts.listed_at)));
        let listener = {
            let (by_deadline, evictions) = (Arc::clone(&by_deadline), Arc::clone(evictions));
            let (morgue, journal) = (Arc::clone(morgue), Arc::clone(journal));
            move |_: Arc<StoredKey>, entry: Arc<dyn Kept>, cause| {
                // The morgue's reference comes first, so that the order's is not the last.
                morgue.take_in(Arc::clone(&entry));
                let mut by_deadline = lock(&by_deadline);
                let is_first = entry.facts().leave(generation);
                by_deadline.strike(entry.facts());
                // It may have been replaced or cleared just before.
                if is_first && cause == RemovalCause::Size {
                    evictions.fetch_add(1, Ordering::Relaxed);
                    if journal.is_open() {
                        journal.evicted(&entry);
                    }
                }
            }
        };
        let builder = moka::sync::Cache::builder()
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .eviction_listener(listener);
        let builder = match bound {
            Bound::Entries(most) => builder.max_capacity(most),
            Bound::Weight(most) => builder
                .max_capacity(most)
                .weigher(|_, entry: &Arc<dyn Kept>| entry.facts().weight),
            Bound::Unbounded => builder,
        };
        Self {
            map: builder.build_with_hasher(Ready),
            by_deadline,
            generation,
        }
    }

    fn list_deadline(&self, entry: &Arc<dyn Kept>) {
        let facts = entry.facts();
        let deadline = facts.deadline();
        if deadline != NEVER {
            let mut by_deadline = lock(&self.by_deadline);
            // It may have been let go before it was listed.
            if facts.is_in(self.generation) {
                by_deadline.list(deadline, Arc::clone(entry));
            }
        }
    }
}

impl Room {
    /// Has all that is in leave, and shows it to `each`. How much that was.
    fn let_go(&self, each: Each<'_>) -> u64 {
        let mut count = 0;
        for (_, entry) in &self.map {
            let _by_deadline = lock(&self.by_deadline);
            // What moka evicts after this has not been evicted but cleared.
            if entry.facts().leave(self.generation) {
                each(&entry);
                count += 1;
            }
        }
        count
    }
}

fn typed<K: Key, V: Value>(entry: Arc<dyn Kept>) -> Option<Arc<Entry<K, V>>> {
    (entry as Arc<dyn Any + Send + Sync>).downcast().ok()
}

impl<K: Key, V: Value> Store<K, V> for TinyLfuStore {
    fn look<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        _look: Look,
        clock: &Clock,
        read: impl FnOnce(&Arc<Entry<K, V>>, Standing) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let entry = self
            .room
            .load()
            .map
            .get(&lookup(hash, &|stored| is::<K, _>(stored, key)))?;
        let entry = typed::<K, V>(entry)?;
        let standing = if entry.facts.is_mortal() {
            entry.facts.look(Look::Use, clock)
        } else {
            Standing::Fresh
        };
        (standing != Standing::Over).then(|| read(&entry, standing))
    }

    fn contains<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        let room = self.room.load();
        room.map.contains_key(&lookup(hash, &|stored| is::<K, _>(stored, key)))
    }

    fn put(&self, entry: Arc<Entry<K, V>>, clock: &Clock) -> Put<K, V> {
        let room = self.room.load();
        let is_told = self.journal.is_open();
        entry.facts.come_in(room.generation);
        let hash = entry.hash();
        let same_key = |stored: &dyn Any| is::<K, _>(stored, &entry.key);
        let same_key = lookup(hash, &same_key);
        // Asked first whether it is there, because a `get` counts as a use even of what is not.
        let former = if room.map.contains_key(&same_key) {
            room.map.get(&same_key)
        } else {
            None
        };
        if former.is_none() && is_told {
            // Another thread may be evicting the former entry, and not have told yet. moka evicts and tells under a lock that
            // this takes as well.
            room.map.run_pending_tasks();
        }
        let key = StoredKey {
            hash,
            key: Box::new(entry.key.clone()),
        };
        let kept = Arc::clone(&entry) as Arc<dyn Kept>;
        room.list_deadline(&kept);
        let mut former_had_expired = false;
        let former = {
            let _by_deadline = lock(&room.by_deadline);
            // Or it has been evicted by now.
            let former = former.filter(|former| former.facts().leave(room.generation));
            if let Some(former) = &former {
                former_had_expired = former.facts().has_expired(clock);
            }
            // Before moka knows of the new one and can evict it.
            if is_told {
                let former = former.as_ref().map(|former| (former, former_had_expired));
                self.journal.came_in(&kept, former);
            }
            former
        };
        room.map.insert(key, kept);
        // moka settles reads and evictions when it finds the time; the bounds are exact only if that is now.
        room.map.run_pending_tasks();
        Put {
            former: former.and_then(typed),
            former_had_expired,
            is_kept: true,
        }
    }

    fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let room = self.room.load();
        room.map
            .remove(&lookup(hash, &|stored| is::<K, _>(stored, key)))
            .and_then(typed)
    }

    fn remove_entry(&self, entry: &Arc<Entry<K, V>>) -> bool {
        let room = self.room.load();
        // Nobody else changes this key meanwhile, so what is there is this entry.
        entry.facts.is_in(room.generation)
            && room
                .map
                .remove(&lookup(entry.hash(), &|stored| is::<K, _>(stored, &entry.key)))
                .is_some()
    }

    fn clear_and(&self, each: Option<Each<'_>>) -> Cleared {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let fresh = Room::new(generation, self.bound, &self.evictions, &self.morgue, &self.journal);
        let cleared = self.room.swap(Arc::new(fresh));
        // Evicts what it has yet to evict, and waits for who is at that.
        cleared.map.run_pending_tasks();
        let count = match each {
            Some(each) => cleared.let_go(each),
            None => cleared.map.entry_count(),
        };
        Cleared {
            count,
            remains: Remains::All { _room: cleared },
        }
    }

    fn discard(&self, cleared: Cleared) {
        drop(cleared);
        self.morgue.bury_some();
    }

    fn due(&self, now: Nanos, limit: usize) -> Vec<Due> {
        let room = self.room.load();
        let mut by_deadline = lock(&room.by_deadline);
        let mut due = Vec::new();
        while due.len() < limit && by_deadline.first().is_some_and(|(deadline, _)| deadline <= now) {
            due.extend(by_deadline.pop().map(Due));
        }
        due
    }

    fn remove_expired(&self, due: &Due, clock: &Clock) -> bool {
        let room = self.room.load();
        let facts = due.0.facts();
        if !facts.is_in(room.generation) {
            return false;
        }
        if !facts.has_expired(clock) {
            room.list_deadline(&due.0);
            return false;
        }
        let Some(entry) = (&*due.0 as &dyn Any).downcast_ref::<Entry<K, V>>() else {
            return false;
        };
        // Not by moka's `get`, which would count as a use. Nobody else changes this key meanwhile, so what is there
        // is this entry.
        let same_key = |stored: &dyn Any| is::<K, _>(stored, &entry.key);
        room.map.remove(&lookup(facts.hash, &same_key)).is_some()
    }

    fn bury(&self) {
        self.morgue.bury_some();
    }

    fn is_settled(&self) -> bool {
        self.morgue.is_empty()
    }

    fn settle(&self) -> bool {
        // What was removed is still named in moka's log of operations,
        self.room.load().map.run_pending_tasks();
        // and then waits until no reader can have it: for the collector to go round, which only use makes it do.
        for _ in 0..EPOCHS_TO_FREE {
            crossbeam_epoch::pin().flush();
        }
        self.morgue.bury_all()
    }

    fn next_deadline(&self) -> Option<Nanos> {
        lock(&self.room.load().by_deadline)
            .first()
            .map(|(deadline, _)| deadline)
    }

    fn len(&self) -> u64 {
        let room = self.room.load();
        room.map.run_pending_tasks();
        room.map.entry_count()
    }

    fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    // moka keeps its own account of uses.
    fn age(&self) {}
}

/// A key of any type, with its hash.
struct StoredKey {
    hash: u64,
    key: Box<dyn AnyKey>,
}

trait AnyKey: Any + Send + Sync {
    fn equals(&self, other: &dyn Any) -> bool;
}

impl<K: Key> AnyKey for K {
    fn equals(&self, other: &dyn Any) -> bool {
        is::<K, _>(other, self)
    }
}

fn is<K: Key, Q: Equivalent<K> + ?Sized>(stored: &dyn Any, key: &Q) -> bool {
    stored.downcast_ref().is_some_and(|stored| key.equivalent(stored))
}

impl Hash for StoredKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for StoredKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.key.equals(&*other.key as &dyn Any)
    }
}

impl Eq for StoredKey {}

/// What a stored key is looked up with: its hash, and how to tell it.
struct Lookup<'q> {
    hash: u64,
    is: &'q dyn Fn(&dyn Any) -> bool,
}

fn lookup(hash: u64, is: &dyn Fn(&dyn Any) -> bool) -> Lookup<'_> {
    Lookup { hash, is }
}

impl Hash for Lookup<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<StoredKey> for Lookup<'_> {
    fn equivalent(&self, stored: &StoredKey) -> bool {
        self.hash == stored.hash && (self.is)(&*stored.key as &dyn Any)
    }
}
