//! The table of flights: which loads are under way, and which of them may still be kept.
//!
//! A *flight* is one load of one key, shared by everybody who asks for that key while it runs. The table is what
//! makes an invalidation stick: it decides, under the same lock, who joins a load, whether a finished load is
//! stored, and what an invalidation detaches.
//!
//! # Invariants
//!
//! The table is sharded by the hash of the key. The mutex of a shard is held for a few steps, never across an
//! await. For a key `k` of shard `s`:
//!
//! 1. A load of `k` that may be kept is registered in `s` *before* it starts ([`Flights::enter`], [`Flights::supersede`]).
//! 2. The store changes for `k` only under the lock of `s`: a landing stores, an eviction removes. (A store may
//!    drop entries on its own, to keep its bounds; it never brings one back.)
//! 3. A load is stored only if, under the lock, its flight is still the one registered for `k` and neither `k` nor
//!    `s` is fenced ([`Flights::land`]).
//! 4. An eviction unregisters the flight of `k` and removes the entry under one holding of the lock
//!    ([`Flights::evict`]). Whoever joined that flight keeps waiting for it; nobody new can find it.
//! 5. A fence is an eviction at its start and at its end, and between them rule 3 keeps nothing.
//! 6. What covers all keys holds the locks of all shards at once, taken in index order; what covers several holds those of
//!    their shards ([`many`]).
//! 7. Who joins a flight after a tag was invalidated does not get its value if that turns out to carry the tag ([`Waiter`],
//!    and [`crate::tag`] for why that is enough). A flight that is known to carry it is not joined any more.
//! 8. A slot exists only while it has a flight or a fence. A flight that has failed may stay in its slot for a time, and whoever
//!    finds it there has its failure ([`Flights::land_failure`]): what detaches flights takes kept failures away.
//!
//! Why this is enough: let an invalidation of `k` return. A call that starts afterwards reads the store, whose
//! entry, if any, was stored after the removal (2, 4); that load was still registered when it landed (3), so it
//! was registered after the invalidation had unregistered its predecessor (4), and it started after that (1).
//! If the call finds nothing it joins a flight, which by the same argument began after the invalidation.
//! No clock takes part: only the order in which the lock was held.
//!
//! # Lock order
//!
//! shard (in index order, if several) → store's own locks. The state of a flight has a lock of its own, which is
//! never held together with any other.

mod many;

use std::any::Any;
use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use equivalent::Equivalent;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use slab::Slab;

use crate::clock::Nanos;
use crate::store::drop_each;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::tag::{NEVER, Origin};

/// Shards of a table: enough that unrelated misses seldom meet, few enough to be locked all at once.
const SHARDS: usize = 16;

/// An error, shared by everybody who waited for the load that failed.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

/// Names a flight, for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlightId(u64);

/// The next name that is given.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl FlightId {
    pub(crate) fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::SeqCst))
    }

    /// The next name, by which flights are known from those that have one already. A flight is named before its load begins.
    pub(crate) fn now() -> Self {
        // Sequentially consistent like the other: whoever does not see a flight here has done what he did before its load began.
        Self(NEXT.load(Ordering::SeqCst))
    }

    /// Whether a flight had no name at that moment, and so began after it.
    pub(crate) fn is_since(self, now: Self) -> bool {
        self >= now
    }
}

/// How a flight came to its end.
#[derive(Clone)]
pub(crate) enum Ending<T> {
    /// The load succeeded.
    Loaded(T),
    /// The load failed with an error that everybody can have a copy of.
    Failed(SharedError),
    /// The load failed with an error that only its own caller can have.
    FailedAlone,
    /// The load panicked; its own caller is unwinding.
    Panicked,
    /// The caller that ran the load was dropped before the load was done.
    Abandoned,
}

/// One load, and those who wait for it.
pub(crate) struct Flight<T> {
    id: FlightId,
    /// When it began and with which tags, in a cache whose entries carry tags.
    origin: Option<Origin>,
    /// Set at the end: if a tag that only turned out then was invalidated since the flight began, when that was. Its value is
    /// not for those who came after that.
    outdated_from: AtomicU64,
    state: Mutex<Progress<T>>,
}

struct Progress<T> {
    ending: Option<Ending<T>>,
    waiting: Slab<Waker>,
}

impl<T> Flight<T> {
    fn new(origin: Option<Origin>) -> Arc<Self> {
        Arc::new(Self {
            id: FlightId::next(),
            origin,
            outdated_from: AtomicU64::new(NEVER),
            state: Mutex::new(Progress {
                ending: None,
                waiting: Slab::new(),
            }),
        })
    }

    pub(crate) fn id(&self) -> FlightId {
        self.id
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether it may be joined: none of the tags it is known to have was invalidated since it began.
    fn is_current(&self) -> bool {
        self.origin().is_none_or(|origin| !origin.is_outdated())
    }

    /// Publishes how the load ended, once, and wakes everybody who waits.
    fn publish(&self, ending: Ending<T>) {
        let waiting = {
            let mut state = lock(&self.state);
            state.ending = Some(ending);
            std::mem::take(&mut state.waiting)
        };
        // Outside the lock: a waker is foreign code. The panic of one must not leave the others asleep.
        for (_, waker) in waiting {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

/// A flight that has come to its end, and says so when this is dropped.
struct Landed<'f, T> {
    flight: &'f Flight<T>,
    ending: Option<Ending<T>>,
}

impl<T> Landed<'_, T> {
    fn is_success(&self) -> bool {
        matches!(self.ending, Some(Ending::Loaded(_)))
    }
}

impl<T> Drop for Landed<'_, T> {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            self.flight.publish(ending);
        }
    }
}

/// Waits for a flight to end.
pub(crate) struct Waiter<T> {
    flight: Arc<Flight<T>>,
    place: Option<usize>,
    /// When it came, by the clock of the flight's origin, if that has one.
    came_at: u64,
}

impl<T> Waiter<T> {
    /// Under the lock of the table.
    fn new(flight: &Arc<Flight<T>>) -> Self {
        Self {
            place: None,
            came_at: flight.origin().map_or(0, Origin::now),
            flight: Arc::clone(flight),
        }
    }

    /// For whoever registered the flight, and has left it to somebody else. He came no later than it began.
    pub(crate) fn first(flight: &Arc<Flight<T>>) -> Self {
        Self {
            place: None,
            came_at: flight.origin().map_or(0, Origin::began),
            flight: Arc::clone(flight),
        }
    }

    pub(crate) fn id(&self) -> FlightId {
        self.flight.id
    }
}

impl<T: Clone> Future for Waiter<T> {
    type Output = Ending<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending<T>> {
        let this = &mut *self;
        // Wakers are foreign code: cloned before the lock, dropped after it.
        let waker = cx.waker().clone();
        let former = {
            let mut state = lock(&this.flight.state);
            if let Some(ending) = &state.ending {
                this.place = None;
                return Poll::Ready(match ending {
                    Ending::Loaded(_) if this.came_at >= this.flight.outdated_from.load(Ordering::Relaxed) => {
                        Ending::Abandoned
                    }
                    ending => ending.clone(),
                });
            }
            match this.place {
                Some(place) => Some(std::mem::replace(&mut state.waiting[place], waker)),
                None => {
                    this.place = Some(state.waiting.insert(waker));
                    None
                }
            }
        };
        drop(former);
        Poll::Pending
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = {
                let mut state = lock(&self.flight.state);
                // After the end the slab is empty, whatever place was kept here.
                state.waiting.try_remove(place)
            };
            drop(waker);
        }
    }
}

/// What a miss finds under the lock.
pub(crate) enum Entered<T> {
    /// A value after all: it was stored since the caller looked.
    Present(T),
    /// A load that is under way.
    Joined(Waiter<T>),
    /// The failure of a load that is over, which is kept.
    Failed(SharedError),
    /// Nothing: the caller has to load, under this flight.
    Leading(Arc<Flight<T>>),
}

/// The flights and fences of one cache.
pub(crate) struct Flights<K, T> {
    shards: Box<[Mutex<Shard<K, T>>]>,
}

struct Shard<K, T> {
    slots: HashTable<Slot<K, T>>,
    /// Mutations of the whole cache that are under way.
    fences: usize,
    /// Failures that are kept, by when they end, with the hash and the flight by which their slots are found.
    failures: Failures,
}

/// For how long a failure is kept, and beside how many others of its shard.
#[derive(Clone, Copy)]
pub(crate) struct KeepFailure {
    pub(crate) until: Nanos,
    pub(crate) at_most: usize,
}

impl KeepFailure {
    /// Not at all.
    pub(crate) const NOT: Self = Self { until: 0, at_most: 0 };

    /// Until then, in a cache of so many entries.
    pub(crate) fn new(until: Nanos, entries: usize) -> Self {
        Self {
            until,
            at_most: entries.div_ceil(SHARDS),
        }
    }
}

struct Slot<K, T> {
    hash: u64,
    key: K,
    flight: Option<Arc<Flight<T>>>,
    /// The flight has failed, and until then whoever asks has its failure.
    failed: Option<(Nanos, SharedError)>,
    /// Mutations of this key that are under way.
    fences: usize,
}

impl<K, T> Slot<K, T> {
    fn is_idle(&self) -> bool {
        self.flight.is_none() && self.fences == 0
    }

    /// Takes the flight out of it, or puts another in. The caller drops the former one after the lock: of a failure that is
    /// kept this may be the last reference, and dropping an error is foreign code.
    #[must_use]
    fn replace(&mut self, flight: Option<Arc<Flight<T>>>, failures: &mut Failures) -> Option<Former<T>> {
        let flight = std::mem::replace(&mut self.flight, flight)?;
        let failure = self.failed.take().map(|(until, failure)| {
            failures.remove(&(until, self.hash, flight.id));
            failure
        });
        Some(Former(Some((flight, failure))))
    }
}

/// What was in a slot. Whoever drops it may just have registered a load or a fence for which nobody answers yet, so that the
/// panic of an error's drop must not be his.
struct Former<T>(Option<(Arc<Flight<T>>, Option<SharedError>)>);

impl<T> Drop for Former<T> {
    fn drop(&mut self) {
        drop_each(self.0.take());
    }
}

type Failures = BTreeSet<(Nanos, u64, FlightId)>;

impl<K, T> Shard<K, T> {
    fn find<Q: Equivalent<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut Slot<K, T>> {
        self.slots
            .find_mut(hash, |slot| slot.hash == hash && key.equivalent(&slot.key))
    }

    /// The slot of a key, made if there is none, and the failures beside it.
    fn slot(&mut self, hash: u64, key: &K) -> (&mut Slot<K, T>, &mut Failures)
    where
        K: Eq + Clone,
    {
        let entry = self
            .slots
            .entry(hash, |slot| slot.hash == hash && slot.key == *key, |slot| slot.hash);
        let slot = match entry {
            TableEntry::Occupied(found) => found.into_mut(),
            TableEntry::Vacant(vacant) => vacant
                .insert(Slot {
                    hash,
                    key: key.clone(),
                    flight: None,
                    failed: None,
                    fences: 0,
                })
                .into_mut(),
        };
        (slot, &mut self.failures)
    }

    /// Takes the flight out of the slot of a key, and the slot out of the table if nothing else needs it.
    #[must_use]
    fn detach<Q: Equivalent<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<Former<T>> {
        let slot = self
            .slots
            .find_mut(hash, |slot| slot.hash == hash && key.equivalent(&slot.key))?;
        let former = slot.replace(None, &mut self.failures);
        self.tidy(hash, key);
        former
    }

    /// Removes the slot of a key if nothing needs it any more.
    fn tidy<Q: Equivalent<K> + ?Sized>(&mut self, hash: u64, key: &Q) {
        if let Ok(found) = self.slots.find_entry(hash, |slot| {
            slot.hash == hash && slot.is_idle() && key.equivalent(&slot.key)
        }) {
            found.remove();
        }
        // A burst of misses must not leave its table behind.
        if self.slots.is_empty() && self.slots.capacity() > 64 {
            self.slots = HashTable::new();
        }
    }

    /// Takes a flight that ends out of its slot. Whether it was there, and nothing is fenced.
    #[must_use]
    fn take_off<Q: Equivalent<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        flight: &Arc<Flight<T>>,
    ) -> (bool, Option<Former<T>>) {
        let is_fenced = self.fences > 0;
        match self.find(hash, key) {
            Some(slot) if slot.flight.as_ref().is_some_and(|it| Arc::ptr_eq(it, flight)) => {
                let is_fenced = is_fenced || slot.fences > 0;
                (!is_fenced, self.detach(hash, key))
            }
            _ => (false, None),
        }
    }

    /// Drops the failure that would end next.
    #[must_use]
    fn forget_first_failure(&mut self) -> Option<Former<T>> {
        let (_, hash, id) = self.failures.pop_first()?;
        let is_it = |slot: &Slot<K, T>| slot.hash == hash && slot.flight.as_ref().is_some_and(|it| it.id == id);
        let slot = self.slots.find_mut(hash, is_it)?;
        let former = slot.replace(None, &mut self.failures);
        if let Ok(found) = self.slots.find_entry(hash, |slot| slot.hash == hash && slot.is_idle()) {
            found.remove();
        }
        former
    }

    /// The same of all slots.
    #[must_use]
    fn detach_all(&mut self) -> Vec<Former<T>> {
        let Self { slots, failures, .. } = self;
        let former = slots
            .iter_mut()
            .filter_map(|slot| slot.replace(None, failures))
            .collect();
        slots.retain(|slot| slot.fences > 0);
        former
    }
}

/// The shard of a hash: by the high bits, because the table inside the shard uses the low ones.
fn index_of(hash: u64) -> usize {
    (hash >> 56) as usize % SHARDS
}

impl<K, T> Flights<K, T> {
    pub(crate) fn new() -> Self {
        let shard = || {
            Mutex::new(Shard {
                slots: HashTable::new(),
                fences: 0,
                failures: BTreeSet::new(),
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K, T>> {
        lock(&self.shards[index_of(hash)])
    }

    fn all(&self) -> Vec<MutexGuard<'_, Shard<K, T>>> {
        self.shards.iter().map(|shard| lock(shard)).collect()
    }

    /// Runs `f` under the lock that guards the store's entry of this key.
    pub(crate) fn guarded<R>(&self, hash: u64, f: impl FnOnce() -> R) -> R {
        let _shard = self.shard(hash);
        f()
    }

    /// Whether a flight is the one that is registered for the key.
    pub(crate) fn has<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q, flight: &Arc<Flight<T>>) -> bool {
        let mut shard = self.shard(hash);
        let slot = shard.find(hash, key);
        slot.is_some_and(|slot| slot.flight.as_ref().is_some_and(|it| Arc::ptr_eq(it, flight)))
    }

    /// Takes away what must go for the key, under the lock: its flight, and by `remove` its entry.
    pub(crate) fn evict<Q, R>(&self, hash: u64, key: &Q, remove: impl FnOnce() -> R) -> R
    where
        Q: Equivalent<K> + ?Sized,
    {
        // Declared before the lock, and so dropped after it. So everywhere here.
        let _former;
        let mut shard = self.shard(hash);
        _former = shard.detach(hash, key);
        remove()
    }

    /// The same for every key at once.
    pub(crate) fn evict_all<R>(&self, clear: impl FnOnce() -> R) -> R {
        let mut former = Vec::new();
        let mut shards = self.all();
        for shard in &mut shards {
            former.extend(shard.detach_all());
        }
        let cleared = clear();
        drop(shards);
        cleared
    }

    /// Drops failures whose time is over. Whether any are left.
    pub(crate) fn forget_failures(&self, now: Nanos) -> bool {
        let mut are_left = false;
        for shard in &self.shards {
            let mut former = Vec::new();
            let mut shard = lock(shard);
            while shard.failures.first().is_some_and(|(until, ..)| *until <= now) {
                former.extend(shard.forget_first_failure());
            }
            are_left |= !shard.failures.is_empty();
            drop(shard);
        }
        are_left
    }

    /// Loads that are under way and registered, and fences that stand. For tests of what is left behind.
    #[cfg(test)]
    pub(crate) fn occupancy(&self) -> usize {
        self.all()
            .iter()
            .map(|shard| shard.slots.len() + shard.fences + shard.failures.len())
            .sum()
    }
}

impl<K: Eq + Clone, T> Flights<K, T> {
    /// A miss: looks once more, then joins the load of the key or registers a new one.
    ///
    /// `recheck` reads the store. It runs under the lock, because between the caller's first look and this one a
    /// load may have landed; without it that caller would load again.
    ///
    /// `origin` is asked before the load is registered, in a cache whose entries carry tags; `now` if a failure is kept.
    pub(crate) fn enter(
        &self,
        hash: u64,
        key: &K,
        recheck: impl FnOnce() -> Option<T>,
        now: impl FnOnce() -> Nanos,
        origin: impl FnOnce() -> Option<Origin>,
    ) -> Entered<T> {
        let _former;
        let mut shard = self.shard(hash);
        if let Some(present) = recheck() {
            return Entered::Present(present);
        }
        let (slot, failures) = shard.slot(hash, key);
        if let Some(flight) = slot.flight.as_ref().filter(|flight| flight.is_current()) {
            match &slot.failed {
                None => return Entered::Joined(Waiter::new(flight)),
                Some((until, failure)) if now() < *until => return Entered::Failed(Arc::clone(failure)),
                Some(_) => {}
            }
        }
        let flight = Flight::new(origin());
        _former = slot.replace(Some(Arc::clone(&flight)), failures);
        Entered::Leading(flight)
    }

    /// A refresh nobody waits for: registers a new load, unless one is under way or the key is fenced, or `is_wanted` has
    /// come to say no.
    pub(crate) fn begin(
        &self,
        hash: u64,
        key: &K,
        is_wanted: impl FnOnce() -> bool,
        origin: impl FnOnce() -> Option<Origin>,
    ) -> Option<Arc<Flight<T>>> {
        let _former;
        let mut shard = self.shard(hash);
        let is_fenced = shard.fences > 0;
        let is_taken = shard
            .find(hash, key)
            .is_some_and(|slot| slot.fences > 0 || (slot.flight.is_some() && slot.failed.is_none()));
        if is_fenced || is_taken || !is_wanted() {
            return None;
        }
        let (slot, failures) = shard.slot(hash, key);
        let flight = Flight::new(origin());
        _former = slot.replace(Some(Arc::clone(&flight)), failures);
        Some(flight)
    }

    /// A reload: registers a new load in the place of whichever is under way, which will not be kept.
    pub(crate) fn supersede(&self, hash: u64, key: &K, origin: Option<Origin>) -> Arc<Flight<T>> {
        let flight = Flight::new(origin);
        let _former;
        let mut shard = self.shard(hash);
        let (slot, failures) = shard.slot(hash, key);
        _former = slot.replace(Some(Arc::clone(&flight)), failures);
        flight
    }

    /// The end of a load. If it is a success, `finish` hears whether it may still be kept, stores it then, and says from
    /// when on who joined may not have it. Then everybody who waits is told.
    pub(crate) fn land<R>(
        &self,
        hash: u64,
        key: &K,
        flight: &Arc<Flight<T>>,
        ending: Ending<T>,
        finish: impl FnOnce(bool) -> (R, u64),
    ) -> Option<R> {
        // Before the lock, so that it publishes after it, and even if `finish` panics.
        let landed = Landed {
            flight,
            ending: Some(ending),
        };
        let _former;
        let kept = {
            let mut shard = self.shard(hash);
            let may_be_kept;
            (may_be_kept, _former) = shard.take_off(hash, key, flight);
            // Not `bool::then`, which would drop an unused `finish` here, under the lock.
            if landed.is_success() {
                let (kept, outdated_from) = finish(may_be_kept);
                flight.outdated_from.store(outdated_from, Ordering::Relaxed);
                Some(kept)
            } else {
                None
            }
        };
        drop(landed);
        if let Some(origin) = flight.origin() {
            origin.end();
        }
        kept
    }

    /// The end of a load that failed, whose failure is kept in its slot if a success could have been kept, and if then
    /// `is_wanted`, which runs under the lock. Its tags are watched for as long.
    pub(crate) fn land_failure(
        &self,
        hash: u64,
        key: &K,
        flight: &Arc<Flight<T>>,
        failure: SharedError,
        keep: KeepFailure,
        is_wanted: impl FnOnce() -> bool,
    ) {
        let landed = Landed {
            flight,
            ending: Some(Ending::Failed(Arc::clone(&failure))),
        };
        let _former;
        let mut dropped = Vec::new();
        let is_kept = {
            let mut shard = self.shard(hash);
            let may_be_kept;
            (may_be_kept, _former) = shard.take_off(hash, key, flight);
            let is_tagged_freely = flight.origin().is_none_or(Origin::may_be_kept);
            let is_kept = may_be_kept && is_tagged_freely && is_wanted() && keep.at_most > 0;
            if is_kept {
                let (slot, failures) = shard.slot(hash, key);
                slot.flight = Some(Arc::clone(flight));
                slot.failed = Some((keep.until, failure));
                failures.insert((keep.until, hash, flight.id));
                while shard.failures.len() > keep.at_most {
                    dropped.extend(shard.forget_first_failure());
                }
            }
            is_kept
        };
        drop(landed);
        drop(dropped);
        if !is_kept && let Some(origin) = flight.origin() {
            origin.end();
        }
    }

    /// A value from the caller: what is loading is older and will not be kept. `None` while the key is fenced.
    pub(crate) fn put<R>(&self, hash: u64, key: &K, write: impl FnOnce() -> R) -> Option<R> {
        let _former;
        let mut shard = self.shard(hash);
        let fenced = shard.fences > 0 || shard.find(hash, key).is_some_and(|slot| slot.fences > 0);
        _former = shard.detach(hash, key);
        // Not `bool::then`, which would drop an unused `write` here, under the lock.
        if fenced { None } else { Some(write()) }
    }

    /// The start of a mutation of one key.
    pub(crate) fn fence<R>(&self, hash: u64, key: &K, remove: impl FnOnce() -> R) -> R {
        let _former;
        let mut shard = self.shard(hash);
        let (slot, failures) = shard.slot(hash, key);
        _former = slot.replace(None, failures);
        slot.fences += 1;
        remove()
    }

    /// Its end.
    pub(crate) fn unfence<R>(&self, hash: u64, key: &K, remove: impl FnOnce() -> R) -> R {
        let _former;
        let mut shard = self.shard(hash);
        if let Some(slot) = shard.find(hash, key) {
            slot.fences -= 1;
        }
        _former = shard.detach(hash, key);
        remove()
    }

    /// The start of a mutation of every key.
    pub(crate) fn fence_all<R>(&self, clear: impl FnOnce() -> R) -> R {
        let mut former = Vec::new();
        let mut shards = self.all();
        for shard in &mut shards {
            former.extend(shard.detach_all());
            shard.fences += 1;
        }
        let cleared = clear();
        drop(shards);
        cleared
    }

    /// Its end.
    pub(crate) fn unfence_all<R>(&self, clear: impl FnOnce() -> R) -> R {
        let mut former = Vec::new();
        let mut shards = self.all();
        for shard in &mut shards {
            former.extend(shard.detach_all());
            shard.fences -= 1;
        }
        let cleared = clear();
        drop(shards);
        cleared
    }
}
