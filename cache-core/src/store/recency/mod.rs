//! The store in the order of use: hits through a lock-free index, and everything else behind one lock.
//!
//! # A hit
//! It pins the index ([papaya]), finds the [chain](chain) of the hash, finds the link that is live and has the key, looks
//! whether its time has come, notes the use ([`uses`]), and reads the value in place. It takes no lock, and in all but
//! small caches it seldom writes what other hits write. The index is hashed by us and keyed by the hash alone, so no foreign code runs
//! inside of it; keys are compared along the chain.
//!
//! # A change
//! It happens under the lock of the [ledger](ledger), which knows who is in, in which order they go, and how much they weigh.
//! An entry leaves the moment its facts say so, or the moment the generation of the store is no longer its own: that is what
//! readers look at, not whether the index still has it. So it does not matter when the index lets go of it.
//!
//! # What is dead
//! is swept out of the index a few at a time: when there are too many for the size of the cache, and otherwise by the
//! reaper, within a second. Each sweep ends with a flush of the index's collector, because that costs microseconds when
//! other cores read, and because what a thread has removed without one waits for that thread to come again. All removal
//! from the index is in [`RecencyStore::sweep`] for that reason.
//!
//! # When the index grows
//! it copies itself, and what is taken out of it meanwhile may be freed only when it is done. Small caches copy in one go. In
//! large ones that would be a pause of milliseconds, so each change copies a part, and the reaper finishes what is left over.
//!
//! # Threads that end
//! What is left of a thread while it destroys what is its own may not have what pinning needs. It finds nothing any more and
//! keeps nothing; what it removes is removed, and swept out by others.
//!
//! # Invariants
//! 1. The index, the chains and the ledger change under the lock of the ledger alone.
//! 2. A key has at most one live link.
//! 3. An entry is hung on before the one that it replaces is made dead (release, acquire): a reader who sees that one dead
//!    sees the new one, or is on a chain made anew since, and looks again.
//! 4. Who takes an entry out of the index puts a reference into the morgue first, so that no reader who lets go of the
//!    index, wherever that is, drops the last one.

mod chain;
mod ledger;
#[cfg(all(test, not(cache_core_model)))]
mod tests;
mod uses;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use equivalent::Equivalent;
use papaya::{Guard, ResizeMode};

use self::chain::{Found, Link};
use self::ledger::Ledger;
use self::uses::Uses;
use super::entry::{Entry, Kept, Standing};
use super::morgue::Morgue;
use super::{Bound, Cleared, Due, Each, Journal, Look, Put, Ready, Remains, Store};
use crate::clock::{Clock, Nanos};
use crate::key::{Key, Value};
use crate::stripe;
use crate::sync::{AtomicU64, Mutex, lock};

/// Retired chains that the index's collector gathers before it looks by itself who still reads: more than a sweep has, so
/// that it is the flush that looks, once.
const BATCH: usize = 256;

/// Hashes that are swept under one holding of the lock.
const SWEEP: usize = 64;

/// A chain as long as this is looked after at once.
const LONG: usize = 16;

/// Parts that a sweep is filled up to, at most. Below the batch, together with a sweep.
const FULL: usize = BATCH - SWEEP;

pub(crate) struct RecencyStore<K, V> {
    bound: Bound,
    index: papaya::HashMap<u64, Link<K, V>, Ready>,
    /// The ledger's, for readers.
    generation: AtomicU64,
    /// Whether the ledger knows of someone dead, for who does not hold its lock.
    has_dead: AtomicBool,
    uses: Uses,
    ledger: Mutex<Ledger>,
    morgue: Morgue,
    journal: Arc<dyn Journal>,
}

impl<K: Key, V: Value> RecencyStore<K, V> {
    pub(crate) fn new(bound: Bound, journal: Arc<dyn Journal>) -> Self {
        Self {
            bound,
            index: papaya::HashMap::builder()
                .hasher(Ready)
                .collector(seize::Collector::new().batch_size(BATCH))
                .resize_mode(if bound.is_of_few() {
                    ResizeMode::Blocking
                } else {
                    ResizeMode::default()
                })
                .build(),
            generation: AtomicU64::new(0),
            has_dead: AtomicBool::new(false),
            uses: Uses::new(bound),
            ledger: Mutex::new(Ledger::new(bound)),
            morgue: Morgue::new(),
            journal,
        }
    }

    /// The live entry of a key, on the chain that `get` gets.
    #[inline]
    fn find<'g, Q>(&self, key: &Q, get: impl Fn() -> Option<&'g Link<K, V>>) -> Option<&'g Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized,
        K: 'g,
        V: 'g,
    {
        let chain = get()?;
        let generation = self.generation.load(Ordering::Acquire);
        match chain.find(key, generation) {
            Found::Live(entry) => Some(entry),
            Found::Nothing => None,
            Found::Dead => self.find_again(key, (chain, generation), get),
        }
    }

    /// Looks until it finds the key, or the same chain once more.
    #[cold]
    fn find_again<'g, Q>(
        &self,
        key: &Q,
        former: (*const Link<K, V>, u64),
        get: impl Fn() -> Option<&'g Link<K, V>>,
    ) -> Option<&'g Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized,
        K: 'g,
        V: 'g,
    {
        let mut former = former;
        loop {
            let chain = get()?;
            let generation = self.generation.load(Ordering::Acquire);
            match chain.find(key, generation) {
                Found::Live(entry) => return Some(entry),
                Found::Nothing => return None,
                Found::Dead => {
                    let this = (std::ptr::from_ref(chain), generation);
                    if std::mem::replace(&mut former, this) == this {
                        return None;
                    }
                }
            }
        }
    }

    /// Takes the dead under these hashes out of the index. Under the lock of the ledger.
    fn sweep(&self, hashes: &[u64], generation: u64, guard: &impl Guard) {
        let mut retired = 0;
        let mut last = None;
        for hash in hashes {
            let Some(chain) = self.index.get(hash, guard) else {
                continue;
            };
            for link in chain.iter().filter(|link| !link.is_live(generation)) {
                self.morgue.take_in(Arc::clone(link.entry()) as Arc<dyn Kept>);
                last = Some((*hash, link));
            }
            if last.is_none_or(|(swept, _)| swept != *hash) {
                continue;
            }
            match chain.without_dead(generation) {
                Some(anew) => drop(self.index.insert(*hash, anew, guard)),
                None => drop(self.index.remove(hash, guard)),
            }
            retired += 1;
        }
        // The collector frees what was retired only if that is at least as many parts as there are readers just then, and
        // otherwise when this thread comes again. So few parts are filled up to one for each thread.
        if let Some((hash, dead)) = last {
            for _ in retired..(stripe::threads() + 1).min(FULL) {
                let live = self
                    .index
                    .get(&hash, guard)
                    .and_then(|chain| chain.without_dead(generation));
                let is_live = live.is_some();
                let filling = live.unwrap_or_else(|| Link::new(Arc::clone(dead.entry())));
                self.index.insert(hash, filling, guard);
                if !is_live {
                    self.index.remove(&hash, guard);
                }
            }
        }
    }

    /// Sweeps what the ledger knows to be dead. Under its lock.
    fn sweep_dead(&self, ledger: &mut Ledger, guard: &impl Guard) {
        let (mut dead, has_strays) = ledger.take_dead();
        if has_strays {
            dead = self.all_dead(guard);
        }
        dead.sort_unstable();
        dead.dedup();
        self.sweep(&dead, ledger.generation(), guard);
        self.has_dead.store(false, Ordering::Relaxed);
    }

    /// Changes something under the lock, and leaves sweeping to others.
    fn change_only<R>(&self, change: impl FnOnce(&mut Ledger) -> R) -> R {
        let mut ledger = lock(&self.ledger);
        let result = change(&mut ledger);
        self.has_dead.fetch_or(ledger.has_dead(), Ordering::Relaxed);
        result
    }

    /// Changes something under the lock, and sweeps if that is due.
    fn change<R>(&self, guard: &impl Guard, change: impl FnOnce(&mut Ledger) -> R) -> R {
        let mut ledger = lock(&self.ledger);
        let result = change(&mut ledger);
        let is_to_be_swept = ledger.is_to_be_swept();
        if is_to_be_swept {
            self.sweep_dead(&mut ledger, guard);
        } else if ledger.has_dead() {
            self.has_dead.store(true, Ordering::Relaxed);
        }
        drop(ledger);
        if is_to_be_swept {
            guard.flush();
        }
        result
    }

    /// The hashes under which the index has someone dead. Looks at everything.
    fn all_dead(&self, guard: &impl Guard) -> Vec<u64> {
        let generation = self.generation.load(Ordering::Acquire);
        let chains = self.index.iter(guard);
        let dead = chains.filter(|(_, chain)| chain.iter().any(|link| !link.is_live(generation)));
        dead.map(|(hash, _)| *hash).collect()
    }

    /// Takes out what a clear has left, a few at a time so that others get their turn.
    fn sweep_cleared(&self, cleared: Cleared) {
        let dead = match &cleared.remains {
            _ if cleared.count == 0 => return,
            _ if stripe::is_ending() => {
                return self.change_only(Ledger::note_strays);
            }
            Remains::Struck { by_use, .. } if self.bound != Bound::Unbounded => by_use.hashes(),
            // Nobody was listed, so they have to be looked for.
            _ => self.all_dead(&self.index.guard()),
        };
        // The orders let go of them first, so that each few can be dropped as soon as the index has let go of them too.
        drop(cleared);
        for hashes in dead.chunks(SWEEP) {
            let guard = self.index.guard();
            {
                let ledger = lock(&self.ledger);
                self.sweep(hashes, ledger.generation(), &guard);
            }
            guard.flush();
            drop(guard);
            self.morgue.bury_some();
        }
    }
}

impl<K: Key, V: Value> Store<K, V> for RecencyStore<K, V> {
    #[inline]
    fn look<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        look: Look,
        clock: &Clock,
        read: impl FnOnce(&Arc<Entry<K, V>>, Standing) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if stripe::is_ending() {
            return None;
        }
        let index = self.index.pin();
        let entry = self.find(key, || index.get(&hash))?;
        let facts = &entry.facts;
        let standing = if facts.is_mortal() {
            facts.look(look, clock)
        } else {
            Standing::Fresh
        };
        if standing == Standing::Over {
            return None;
        }
        if look == Look::Use {
            self.uses.note(&facts.stamp);
        }
        Some(read(entry, standing))
    }

    fn during<R>(&self, f: impl FnOnce() -> R) -> R {
        // Pinning is the dearest part of a lookup, and costs little where the thread has pinned the index already.
        let _index = (!stripe::is_ending()).then(|| self.index.pin());
        f()
    }

    fn contains<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        if stripe::is_ending() {
            return false;
        }
        let index = self.index.pin();
        self.find(key, || index.get(&hash)).is_some()
    }

    fn put(&self, entry: Arc<Entry<K, V>>, clock: &Clock) -> Put<K, V> {
        let hash = entry.hash();
        if stripe::is_ending() {
            let former = self.remove(hash, &entry.key);
            return Put {
                former_had_expired: former.as_ref().is_some_and(|former| former.has_expired(clock)),
                former,
                is_kept: false,
            };
        }
        let guard = self.index.guard();
        self.change(&guard, |ledger| {
            let former = self.find(&entry.key, || self.index.get(&hash, &guard)).map(Arc::clone);
            entry.facts.come_in(ledger.generation());
            entry.facts.stamp.store(self.uses.newest(), Ordering::Relaxed);
            let kept = Arc::clone(&entry) as Arc<dyn Kept>;
            match self.index.get(&hash, &guard) {
                Some(chain) => {
                    if chain.hang_on(entry) % LONG == 0 {
                        ledger.note_long_chain();
                    }
                }
                None => drop(self.index.insert(hash, Link::new(entry), &guard)),
            }
            if let Some(former) = &former {
                ledger.leave(&former.facts);
            }
            ledger.enter(&kept);
            let former_had_expired = former.as_ref().is_some_and(|former| former.has_expired(clock));
            if self.journal.is_open() {
                let former = former.as_ref().map(|former| Arc::clone(former) as Arc<dyn Kept>);
                let former = former.as_ref().map(|former| (former, former_had_expired));
                self.journal.came_in(&kept, former);
            }
            ledger.evict(&*self.journal);
            Put {
                former,
                former_had_expired,
                is_kept: true,
            }
        })
    }

    fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if stripe::is_ending() {
            let guard = self.index.owned_guard();
            let entry = self.find(key, || self.index.get(&hash, &guard))?;
            let is_removed = self.change_only(|ledger| ledger.leave(&entry.facts));
            return is_removed.then(|| Arc::clone(entry));
        }
        let guard = self.index.guard();
        // Nobody else changes this key, but the store may let it go.
        let entry = self.find(key, || self.index.get(&hash, &guard))?;
        self.change(&guard, |ledger| ledger.leave(&entry.facts))
            .then(|| Arc::clone(entry))
    }

    fn remove_entry(&self, entry: &Arc<Entry<K, V>>) -> bool {
        if stripe::is_ending() {
            return self.change_only(|ledger| ledger.leave(&entry.facts));
        }
        let guard = self.index.guard();
        self.change(&guard, |ledger| ledger.leave(&entry.facts))
    }

    fn clear_and(&self, each: Option<Each<'_>>) -> Cleared {
        let mut ledger = lock(&self.ledger);
        match each {
            Some(each) if self.bound == Bound::Unbounded => {
                // Nobody is listed, so they have to be looked for.
                let generation = ledger.generation();
                let guard = self.index.owned_guard();
                let links = self.index.iter(&guard).flat_map(|(_, chain)| chain.iter());
                for link in links.filter(|link| link.is_live(generation)) {
                    each(&(Arc::clone(link.entry()) as Arc<dyn Kept>));
                }
            }
            Some(each) => ledger.listed().for_each(each),
            None => {}
        }
        let cleared = ledger.clear();
        self.generation.store(ledger.generation(), Ordering::Release);
        cleared
    }

    fn discard(&self, cleared: Cleared) {
        self.sweep_cleared(cleared);
    }

    fn due(&self, now: Nanos, limit: usize) -> Vec<Due> {
        lock(&self.ledger).due(now, limit)
    }

    fn remove_expired(&self, due: &Due, clock: &Clock) -> bool {
        if stripe::is_ending() {
            return self.change_only(|ledger| ledger.expire(due, clock));
        }
        let guard = self.index.guard();
        self.change(&guard, |ledger| ledger.expire(due, clock))
    }

    fn bury(&self) {
        self.morgue.bury_some();
    }

    fn is_settled(&self) -> bool {
        !self.has_dead.load(Ordering::Relaxed) && self.morgue.is_empty()
    }

    fn settle(&self) -> bool {
        if stripe::is_ending() {
            return false;
        }
        let guard = self.index.guard();
        self.sweep_dead(&mut lock(&self.ledger), &guard);
        guard.flush();
        drop(guard);
        if self.morgue.bury_all() {
            return true;
        }
        // It may be that the index grows and nobody goes on with that. It is grown when it can be walked through; then its
        // old self is freed, and with that what was taken out of it meanwhile.
        for _ in 0..2 {
            let guard = self.index.guard();
            let _ = self.index.iter(&guard);
            guard.flush();
        }
        self.morgue.bury_all()
    }

    fn next_deadline(&self) -> Option<Nanos> {
        lock(&self.ledger).next_deadline()
    }

    fn len(&self) -> u64 {
        lock(&self.ledger).len()
    }

    fn evictions(&self) -> u64 {
        lock(&self.ledger).evictions
    }

    fn age(&self) {
        self.uses.age();
    }
}
