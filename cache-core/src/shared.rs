//! What the clones of a cache share: its store, its table of flights, and the numbers.
//!
//! Everything that changes the store for a key does so under the lock that the table of flights has for that key; see the
//! invariants in [`crate::flight`]. What leaves the store is dropped after that lock, because a value's drop is foreign
//! code.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use equivalent::Equivalent;

use crate::builder::{Builder, DEFAULT_MAX_SIZE, Weigher};
use crate::clock::{Clock, Nanos, nanos};
use crate::flight::{Flights, KeepFailure};
use crate::freshness::Freshness;
use crate::key::{Key, Value};
use crate::observer::{Cause, Observers, Reason};
use crate::reaper::{self, Reclaim};
use crate::registry::{Capacity, Kind, Registered, Registration};
use crate::revision::{About, BackgroundError, Gate, Rule};
use crate::stats::{Count, Counters, Stats};
use crate::store::{Bound, Cleared, EitherStore, Entry, Journal as _, Kept, Look, Policy, Standing, Store, hashing};
use crate::tag::{self, Evict, Index, Tag, Tags};
use crate::warm;
#[cfg(feature = "test-util")]
use crate::world::WorldId;
use crate::world::{self, Here, Worlds};

/// How many expired entries a store operation drops on its way, so that no caller pays for a thousand.
const RECLAIM_BATCH: usize = 64;

/// After how many hits of one thread the store is told that time goes by.
const HITS_TO_AGE: u64 = 1 << 18;

/// What adds the tags that something stands for.
pub(crate) type TagsOf<T> = Arc<dyn Fn(&T, &mut Tags) + Send + Sync>;

pub(crate) struct Shared<K, V> {
    // First, so that the name is free before values are dropped, which is foreign code.
    registration: Registration,
    pub(crate) name: Arc<str>,
    kind: Kind,
    policy: Policy,
    bound: Bound,
    pub(crate) declared_tags: Vec<Cow<'static, str>>,
    pub(crate) store: EitherStore<K, V>,
    pub(crate) flights: Flights<K, Arc<Entry<K, V>>>,
    pub(crate) counters: Counters,
    clock: Clock,
    rule: Rule,
    /// Of a cache of values with revisions, made when it is first asked for.
    gate: OnceLock<Box<Gate>>,
    hasher: hashing::RandomState,
    pub(crate) freshness: Freshness<V>,
    weigher: Option<Weigher<K, V>>,
    key_tags: Vec<TagsOf<K>>,
    value_tags: Vec<TagsOf<V>>,
    pub(crate) index: &'static Index,
    /// What the store had evicted when the statistics were last reset.
    evictions_before: AtomicU64,
    /// Whether the reaper knows of this cache.
    watched: AtomicBool,
    /// Whether somebody has been told that a function of a session was called outside of any.
    warned: AtomicBool,
    /// What its likes are made of, see [`world`].
    #[cfg(feature = "test-util")]
    made_of: Builder<K, V>,
    /// What its likes are known by.
    #[cfg(feature = "test-util")]
    serial: u64,
}

impl<K: Key, V: Value> Shared<K, V> {
    pub(crate) fn new(builder: Builder<K, V>) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            let types = type_name::<(K, V)>();
            let worlds = Worlds::of_new(builder.kind);
            let registration = Registration::new(&builder.name, builder.kind, types, this.clone(), worlds);
            Self::registered(builder, registration)
        })
    }

    fn registered(builder: Builder<K, V>, registration: Registration) -> Self {
        let observers = registration.observers();
        Self {
            #[cfg(feature = "test-util")]
            made_of: builder.clone(),
            #[cfg(feature = "test-util")]
            serial: next_serial(),
            name: Arc::clone(observers.name()),
            store: EitherStore::new(builder.policy, builder.bound, Arc::clone(observers) as _),
            registration,
            kind: builder.kind,
            policy: builder.policy,
            bound: builder.bound,
            declared_tags: builder.declared_tags,
            flights: Flights::new(),
            counters: Counters::new(),
            clock: builder.clock,
            rule: builder.rule,
            gate: OnceLock::new(),
            hasher: hashing::RandomState::default(),
            freshness: builder.freshness,
            weigher: builder.weigher,
            key_tags: builder.key_tags,
            value_tags: builder.value_tags,
            index: builder.index.unwrap_or_else(tag::index),
            evictions_before: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        }
    }

    /// An empty cache that is set up like this one, in the world of a test.
    #[cfg(feature = "test-util")]
    pub(crate) fn like(&self, world: WorldId) -> Arc<Self> {
        let mut builder = self.made_of.clone();
        // Whether it meets paused clocks is a matter of its own.
        builder.clock = builder.clock.afresh();
        let registration = Registration::unlisted(&self.name, Worlds::only(world));
        Arc::new(Self {
            // So that what was hashed in one world may be looked up in the other.
            hasher: self.hasher.clone(),
            ..Self::registered(builder, registration)
        })
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn worlds(&self) -> Worlds {
        self.observers().worlds()
    }

    /// Whether its entries may carry tags, those apart that a call brings.
    pub(crate) fn has_tags(&self) -> bool {
        !self.key_tags.is_empty() || !self.value_tags.is_empty()
    }

    /// Adds the tags that a key stands for. Foreign code, so not under a lock.
    pub(crate) fn tag_key(&self, key: &K, tags: &mut Tags) {
        for of_key in &self.key_tags {
            of_key(key, tags);
        }
    }

    /// Adds the tags that a value stands for, likewise.
    pub(crate) fn tag_value(&self, value: &V, tags: &mut Tags) {
        for of_value in &self.value_tags {
            of_value(value, tags);
        }
    }

    /// Keeps an entry with tags, if all of them let a load that began then in, and removes what it came to replace if not.
    /// As for [`keep`](Self::keep).
    pub(crate) fn keep_tagged(
        self: &Arc<Self>,
        entry: Arc<Entry<K, V>>,
        tags: &[Tag],
        began: u64,
    ) -> Option<Arc<Entry<K, V>>> {
        if !tags.is_empty() {
            let kept = Arc::clone(&entry) as Arc<dyn Kept>;
            let this = Arc::downgrade(self);
            if self.index.enlist(&kept, this, tags, began).is_err() {
                return self.push_out(entry.hash(), &entry.key);
            }
        }
        self.keep(entry)
    }

    /// Says that a function of a session was called outside of any, once.
    pub(crate) fn warn_of_no_session(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "cache `{}` keeps its entries by session, and was called outside of any: such calls run uncached; wrap \
                 them in `cache_core::session::scope(id, ..)`",
                self.name
            );
        }
    }

    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The entry of a key under the lock of the key, after a look that found nothing: most often there still is none.
    pub(crate) fn recheck<Q>(&self, hash: u64, key: &Q, may_be_stale: bool) -> Option<Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if !self.store.contains(hash, key) {
            return None;
        }
        let serves = |standing: Standing| standing.is_fresh() || (may_be_stale && standing == Standing::Stale);
        let look = |entry: &Arc<Entry<K, V>>, standing| serves(standing).then(|| Arc::clone(entry));
        self.store.look(hash, key, Look::Use, &self.clock, look).flatten()
    }

    /// The value of a key, counted if it is a hit. Not past its TTL.
    #[inline]
    pub(crate) fn find<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<V> {
        let value = self.read(hash, key)?;
        self.count_hit();
        Some(value)
    }

    /// The same, uncounted.
    #[inline]
    pub(crate) fn read<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<V> {
        if world::is_disabled() {
            return None;
        }
        self.store
            .read(hash, key, Look::Use, &self.clock, |entry| entry.value.clone())
    }

    /// Counts lookups that found nothing and load nothing.
    #[inline]
    pub(crate) fn count_misses(&self, misses: u64) {
        let is_bypassed = world::is_disabled();
        let count = if is_bypassed { Count::Bypassed } else { Count::Misses };
        self.counters.add(count, misses);
    }

    #[inline]
    pub(crate) fn count_hit(&self) {
        if self.counters.one(Count::Hits).is_multiple_of(HITS_TO_AGE) {
            self.store.age();
        }
    }

    /// The same for several hits at once.
    pub(crate) fn count_hits(&self, hits: u64) {
        let counted = self.counters.add(Count::Hits, hits);
        if counted / HITS_TO_AGE > counted.saturating_sub(hits) / HITS_TO_AGE {
            self.store.age();
        }
    }

    /// The value to serve of a key to one who can load it, by himself or `in_background`, counted as a hit. `Err` for one who
    /// has to load: with a claim, if there is a value to serve and he is to bring a new one.
    #[inline]
    pub(crate) fn see<Q>(&self, hash: u64, key: &Q, in_background: bool) -> Result<V, Option<Claim>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if world::is_disabled() {
            return Err(None);
        }
        // What is seldom is left for later, so that a hit has little at hand.
        let look = |entry: &Arc<Entry<K, V>>, standing| match standing {
            Standing::Fresh => Ok(entry.value.clone()),
            _ => Err((Arc::clone(entry), standing)),
        };
        match self.store.look(hash, key, Look::Use, &self.clock, look) {
            Some(Ok(value)) => {
                self.count_hit();
                Ok(value)
            }
            Some(Err((entry, standing))) => self.see_closely(entry, standing, in_background),
            None => Err(None),
        }
    }

    #[cold]
    fn see_closely(
        &self,
        entry: Arc<Entry<K, V>>,
        standing: Standing,
        in_background: bool,
    ) -> Result<V, Option<Claim>> {
        // A warm-up takes no old value, whoever is bringing a new one.
        if !standing.is_fresh() && warm::is_asking() {
            return Err(None);
        }
        let may_be_claimed = match standing {
            Standing::Ripe => in_background,
            Standing::Due => true,
            Standing::Fresh | Standing::Stale => false,
            Standing::Spent | Standing::Over => return Err(None),
        };
        if may_be_claimed && entry.facts().claim() {
            return Err(Some(Claim::new(entry, self.clock.clone())));
        }
        self.count_hit();
        if !standing.is_fresh() {
            self.counters.one(Count::Stale);
        }
        Ok(entry.value.clone())
    }

    /// The value that serves for one whose load has failed, or takes too long.
    pub(crate) fn fallback<Q>(&self, hash: u64, key: &Q, accepts: impl Fn(&V) -> bool) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if !self.freshness.serves_stale() {
            return None;
        }
        let serve = |entry: &Arc<Entry<K, V>>, standing| accepts(&entry.value).then(|| (entry.value.clone(), standing));
        let (value, standing) = self.store.look(hash, key, Look::Peek, &self.clock, serve).flatten()?;
        if !standing.is_fresh() {
            self.counters.one(Count::Stale);
        }
        Some(value)
    }

    /// Counts that an entry is served past its TTL, if it is.
    pub(crate) fn count_if_stale(&self, entry: &Entry<K, V>) {
        if self.freshness.serves_stale() && !entry.facts().is_fresh(&self.clock) {
            self.counters.one(Count::Stale);
        }
    }

    /// Whether there is a value of a key that is not past its TTL. No use of it, where the policy can look without.
    pub(crate) fn is_fresh<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> bool {
        self.store.read(hash, key, Look::Peek, &self.clock, |_| ()).is_some()
    }

    /// Whether what is claimed is what there is of its key.
    pub(crate) fn is_kept<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q, claim: &Claim) -> bool {
        let is_it = |entry: &Arc<Entry<K, V>>, _| claim.is_of(entry);
        self.store.look(hash, key, Look::Peek, &self.clock, is_it) == Some(true)
    }

    /// Whether there is anything to serve of a key, stale or not.
    pub(crate) fn has<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> bool {
        self.store.look(hash, key, Look::Peek, &self.clock, |_, _| ()).is_some()
    }

    /// A load of the key has failed: if there is a value to serve, the next is tried later.
    pub(crate) fn postpone<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) {
        if self.freshness.keeps_away() {
            let retry_at = self.clock.now().saturating_add(nanos(self.freshness.retry_after));
            self.store.look(hash, key, Look::Peek, &self.clock, |entry, _| {
                entry.facts().postpone(retry_at);
            });
        }
    }

    /// How a failure is kept for so long.
    pub(crate) fn keep_failure(&self, ttl: Duration) -> KeepFailure {
        let entries = match self.bound {
            Bound::Entries(most) => usize::try_from(most).unwrap_or(usize::MAX),
            Bound::Weight(0) => 0,
            Bound::Weight(_) => DEFAULT_MAX_SIZE,
            Bound::Unbounded => usize::MAX,
        };
        KeepFailure::new(self.clock.now().saturating_add(nanos(ttl)), entries)
    }

    /// What it knows of revisions.
    pub(crate) fn gate(&self) -> &Gate {
        self.gate.get_or_init(|| Box::new(Gate::new(self.rule)))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time, for flights.
    pub(crate) fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// The value of a key, uncounted.
    pub(crate) fn peek<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<V> {
        if world::is_disabled() {
            return None;
        }
        self.store
            .read(hash, key, Look::Peek, &self.clock, |entry| entry.value.clone())
    }

    /// A value made ready to be stored, with this TTL or that which it has by itself. Asks the weigher, so not under a lock.
    pub(crate) fn entry(&self, hash: u64, key: K, value: V, ttl: Option<Duration>) -> Arc<Entry<K, V>> {
        let weight = self.weigher.as_ref().map_or(1, |weigher| weigher(&key, &value).max(1));
        let ttl = ttl.or_else(|| self.freshness.ttl_of(&value));
        let chance = |now| self.hasher.hash_one((hash, now));
        let life = self.freshness.life(ttl, || self.clock.now(), chance);
        Arc::new(Entry::new(hash, key, value, weight, &life))
    }

    /// Stores an entry. Only under the lock of its key; the caller drops what comes back after it, and then calls
    /// [`settle_soon`](Self::settle_soon).
    pub(crate) fn keep(&self, entry: Arc<Entry<K, V>>) -> Option<Arc<Entry<K, V>>> {
        let most = self.bound.max_weight();
        let too_heavy = most.is_some_and(|most| u64::from(entry.weight()) > most);
        // Not even for a moment: it would push out what could stay.
        if self.bound.keeps_nothing() || too_heavy || entry.has_expired(&self.clock) {
            return self.push_out(entry.hash(), &entry.key);
        }
        let put = self.store.put(entry, &self.clock);
        if !put.is_kept {
            return self.pushed_out(put.former?, put.former_had_expired);
        }
        self.counters.one(Count::Insertions);
        if put.former_had_expired {
            self.counters.one(Count::Expirations);
        }
        put.former
    }

    /// Removes what a newer value replaces that is not kept itself. As for [`keep`](Self::keep).
    pub(crate) fn push_out(&self, hash: u64, key: &K) -> Option<Arc<Entry<K, V>>> {
        let former = self.store.remove(hash, key)?;
        let has_expired = former.has_expired(&self.clock);
        self.pushed_out(former, has_expired)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the end of two functions that return an option")]
    fn pushed_out(&self, former: Arc<Entry<K, V>>, has_expired: bool) -> Option<Arc<Entry<K, V>>> {
        if has_expired {
            self.counters.one(Count::Expirations);
        }
        if self.observers().is_open() {
            let cause = if has_expired { Cause::Expired } else { Cause::Replaced };
            let former = Arc::clone(&former) as Arc<dyn Kept>;
            self.observers().write(cause, Some(&former), None);
        }
        Some(former)
    }

    pub(crate) fn observers(&self) -> &Arc<Observers> {
        self.registration.observers()
    }

    /// Tells observers, drops what has left the store as far as that can be done now, and has the reaper do the rest, and
    /// look after what time will end. Where no lock is held, after everything that changes the store.
    pub(crate) fn settle_soon(self: &Arc<Self>) {
        self.observers().deliver();
        self.store.bury();
        if !self.store.is_settled() || (self.clock.runs() && self.store.next_deadline().is_some()) {
            self.have_watched();
        }
    }

    /// Has the reaper look after what time will end.
    pub(crate) fn have_watched(self: &Arc<Self>) {
        if !self.watched.load(Ordering::Relaxed) && !self.watched.swap(true, Ordering::Relaxed) {
            let this = Arc::downgrade(self);
            reaper::watch(this);
        }
        reaper::nudge();
    }

    pub(crate) fn evict<Q: Equivalent<K> + ?Sized>(self: &Arc<Self>, hash: u64, key: &Q) -> bool {
        let remove = || self.remove(hash, key, Reason::Key);
        let gone = self.flights.evict(hash, key, remove);
        self.count_invalidated(gone)
    }

    /// Fences a key. The caller MUST answer for the fence before it counts what comes back.
    pub(crate) fn fence(&self, hash: u64, key: &K) -> Option<Gone<K, V>> {
        let remove = || self.remove(hash, key, Reason::Mutation);
        self.flights.fence(hash, key, remove)
    }

    pub(crate) fn unfence(self: &Arc<Self>, hash: u64, key: &K) {
        let remove = || self.remove(hash, key, Reason::Mutation);
        let gone = self.flights.unfence(hash, key, remove);
        self.count_invalidated(gone);
    }

    /// Fences every key, likewise.
    pub(crate) fn fence_all(&self) -> Cleared {
        // So that what has expired is counted as that.
        self.reclaim_all();
        self.flights.fence_all(|| self.remove_all(Reason::Mutation))
    }

    pub(crate) fn count_cleared(self: &Arc<Self>, cleared: Cleared) {
        self.counters.add(Count::Invalidations, cleared.count);
        self.store.discard(cleared);
        self.settle_soon();
    }

    pub(crate) fn unfence_all(self: &Arc<Self>) {
        let cleared = self.flights.unfence_all(|| self.remove_all(Reason::Mutation));
        self.count_cleared(cleared);
    }

    pub(crate) fn clear(self: &Arc<Self>) {
        self.reclaim_all();
        let cleared = self.flights.evict_all(|| self.remove_all(Reason::Clear));
        self.count_cleared(cleared);
    }

    /// Removes an entry. Only under the lock of its key.
    pub(crate) fn remove<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q, reason: Reason) -> Option<Gone<K, V>> {
        let entry = self.store.remove(hash, key)?;
        let had_expired = entry.has_expired(&self.clock);
        if self.observers().is_open() {
            let entry = Arc::clone(&entry) as Arc<dyn Kept>;
            self.observers().write_removed(reason, had_expired, &entry);
        }
        Some(Gone { entry, had_expired })
    }

    /// Removes all entries. Only under the locks of all keys.
    fn remove_all(&self, reason: Reason) -> Cleared {
        let observers = self.observers();
        let mut write = |entry: &Arc<dyn Kept>| observers.write_removed(reason, false, entry);
        if observers.is_open() {
            self.store.clear_and(Some(&mut write))
        } else {
            self.store.clear()
        }
    }

    /// Whether there was an entry anybody could have got.
    pub(crate) fn count_invalidated(self: &Arc<Self>, gone: Option<Gone<K, V>>) -> bool {
        let Some(Gone { entry, had_expired }) = gone else {
            return false;
        };
        self.counters.one(if had_expired {
            Count::Expirations
        } else {
            Count::Invalidations
        });
        drop(entry);
        self.settle_soon();
        !had_expired
    }

    /// Drops a few expired entries. `false` when none is left. Whoever calls goes on to [`settle_soon`](Self::settle_soon).
    pub(crate) fn reclaim_some(&self) -> bool {
        let Some(next) = self.store.next_deadline() else {
            return false;
        };
        if !self.clock.has_reached(next) {
            return false;
        }
        let due = self.store.due(self.clock.now(), RECLAIM_BATCH);
        for due in &due {
            let gone = self.flights.guarded(due.hash(), || {
                let gone = self.store.remove_expired(due, &self.clock);
                if gone {
                    self.observers().write(Cause::Expired, Some(due.entry()), None);
                }
                gone
            });
            self.counters.add(Count::Expirations, u64::from(gone));
        }
        let is_full = due.len() == RECLAIM_BATCH;
        drop(due);
        self.store.bury();
        is_full
    }

    /// How many entries there are, without those that have expired.
    pub(crate) fn len(self: &Arc<Self>) -> u64 {
        self.reclaim_all();
        // First, because a store may evict when it is measured, which observers have to hear of.
        let len = self.store.len();
        self.settle_soon();
        len
    }

    pub(crate) fn stats(self: &Arc<Self>) -> Stats {
        let mut stats = self.counters.read(self.len());
        let before = self.evictions_before.load(Ordering::Relaxed);
        stats.evictions = self.store.evictions().saturating_sub(before);
        stats
    }

    pub(crate) fn reset_stats(&self) {
        if let Some(gate) = self.gate.get() {
            gate.failures.clear();
        }
        self.counters.reset();
        self.evictions_before.store(self.store.evictions(), Ordering::Relaxed);
    }

    pub(crate) fn reclaim_all(&self) {
        while self.reclaim_some() {}
        self.forget_failures();
    }

    /// Drops failures whose time is over. Whether any are left.
    fn forget_failures(&self) -> bool {
        self.freshness.keeps_failures() && self.flights.forget_failures(self.clock.now())
    }
}

impl<K: Key, V: Value> Evict for Shared<K, V> {
    fn evict_entry(self: Arc<Self>, kept: Arc<dyn Kept>, reason: Reason) -> bool {
        let Ok(entry) = (Arc::clone(&kept) as Arc<dyn Any + Send + Sync>).downcast::<Entry<K, V>>() else {
            return false;
        };
        let had_expired = entry.has_expired(&self.clock);
        let is_gone = self.flights.guarded(entry.hash(), || {
            let is_gone = self.store.remove_entry(&entry);
            if is_gone {
                self.observers().write_removed(reason, had_expired, &kept);
            }
            is_gone
        });
        drop(kept);
        self.count_invalidated(is_gone.then_some(Gone { entry, had_expired }))
    }
}

/// Somebody brings a new value in the place of an entry, until this is dropped.
pub(crate) struct Claim {
    entry: Arc<dyn Kept>,
    clock: Clock,
    /// What is claimed, if it is a value whose revision has changed, and not one whose time is over.
    outdated: Option<Arc<About>>,
    /// Nobody waits for the new value, or hears of it if none comes.
    pub(crate) is_silent: bool,
}

impl Claim {
    fn new(entry: Arc<dyn Kept>, clock: Clock) -> Self {
        Self {
            entry,
            clock,
            outdated: None,
            is_silent: false,
        }
    }

    pub(crate) fn of_revision(entry: Arc<dyn Kept>, clock: Clock, outdated: Arc<About>) -> Self {
        Self {
            entry,
            clock,
            outdated: Some(outdated),
            is_silent: false,
        }
    }

    /// The load of the new value has panicked, or what came after it.
    pub(crate) fn note_panic<K: Key, V: Value>(&self, shared: &Shared<K, V>, hash: u64) {
        if let (true, Some(outdated)) = (self.is_silent, &self.outdated) {
            let error = BackgroundError::refresh("it panicked".to_owned(), None);
            shared.gate().failures.note(hash, Arc::downgrade(outdated), error);
        }
    }

    /// Whether what is served meanwhile is not past its TTL, nor its revision.
    pub(crate) fn is_fresh(&self) -> bool {
        self.outdated.is_none() && self.entry.facts().is_fresh(&self.clock)
    }

    fn is_of<K, V>(&self, entry: &Arc<Entry<K, V>>) -> bool {
        std::ptr::eq(self.entry.facts(), entry.facts())
    }

    /// Somebody else is at it already, or it has failed: it is not to be claimed again at once.
    pub(crate) fn postpone(&self, by: Duration) {
        let until = self.clock.now().saturating_add(nanos(by));
        match &self.outdated {
            Some(about) => about.postpone(until),
            None => self.entry.facts().postpone(until),
        }
    }

    /// The value that is served meanwhile.
    pub(crate) fn value<V: Value>(&self) -> Option<V> {
        self.entry.value().downcast_ref().cloned()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Of no consequence once the entry has been replaced. After a failure the next load waits all the same.
        match &self.outdated {
            Some(about) => about.release(),
            None => self.entry.facts().release(self.clock.now()),
        }
    }
}

#[cfg(feature = "test-util")]
fn next_serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Only uniqueness matters, so no ordering does.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An entry that was removed, and what it was then.
pub(crate) struct Gone<K, V> {
    pub(crate) entry: Arc<Entry<K, V>>,
    pub(crate) had_expired: bool,
}

impl<K: Key, V: Value> Registered for Shared<K, V> {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn capacity(&self) -> Capacity {
        match self.bound {
            Bound::Entries(most) => Capacity::Entries(most),
            Bound::Weight(most) => Capacity::Weight(most),
            Bound::Unbounded => Capacity::Unbounded,
        }
    }

    fn tags(&self) -> &[Cow<'static, str>] {
        &self.declared_tags
    }

    fn count(self: Arc<Self>) -> u64 {
        Here::of(&self).len()
    }

    fn numbers(self: Arc<Self>) -> Stats {
        Here::of(&self).stats()
    }

    fn empty(self: Arc<Self>) {
        Here::of(&self).clear();
    }
}

impl<K: Key, V: Value> Reclaim for Shared<K, V> {
    fn reclaim(&self) -> bool {
        // A clock that is set by hand moves on when a test says so, and expiry with it.
        if self.clock.runs() {
            self.reclaim_all();
        }
        // Behind the store's lock, so that what a caller did before it asked whether the reaper is idle is seen now.
        let has_mortals = self.store.next_deadline().is_some() || self.forget_failures();
        let is_settled = self.store.is_settled() || self.store.settle();
        self.observers().deliver();
        !is_settled || (has_mortals && self.clock.runs())
    }
}
