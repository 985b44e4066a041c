//! The index: for each tag its living members, its fences, and when it was invalidated. What for, and why that is enough, is
//! told in [`super`].

use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use slab::Slab;

use super::load::{Loads, NEVER, Origin};
use super::name::Tag;
use crate::observer::Reason;
use crate::store::Kept;
use crate::sync::{AtomicU64, Mutex, MutexGuard, lock};

/// The model checker gets an index in each of its many runs.
const SHARDS: usize = if cfg!(cache_core_model) { 2 } else { 64 };

/// How many members of a tag are looked at before others get their turn, and how many notes.
const STEP: usize = 256;

/// How many notes there may be. What is still under way when there are more is not kept, so that a load which takes for ever
/// does not gather them for ever.
const MOST_NOTES: usize = if cfg!(cache_core_model) { 1 } else { 1 << 16 };

/// A cache, for one who has an entry of it and does not know its types.
pub(crate) trait Evict: Send + Sync {
    /// Evicts this very entry, if it is still there. `true` if anybody could have got it.
    fn evict_entry(self: Arc<Self>, entry: Arc<dyn Kept>, reason: Reason) -> bool;
}

/// Which entries carry which tags.
pub(crate) struct Index {
    loads: Mutex<Loads>,
    /// The time of `loads`, for who need not wait for it.
    now: AtomicU64,
    /// What they have forgotten, likewise. To be asked under the lock of a shard, whose notes went after it was set.
    forgotten: AtomicU64,
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Default)]
struct Shard(HashTable<Record>);

struct Record {
    tag: Tag,
    hash: u64,
    members: Slab<Weak<dyn Kept>>,
    /// How many left since their room was last looked at.
    left: u32,
    /// Mutations under way.
    fences: u32,
    /// When it was last invalidated, 0 for never or for so long ago that nobody need know.
    invalidated_at: u64,
    /// When the time before that.
    invalidated_before: u64,
    /// Whether there is a note of it.
    is_noted: bool,
}

impl Record {
    fn list(&mut self, entry: Weak<dyn Kept>) -> usize {
        if self.members.capacity() == 0 {
            // Most tags have one member, for which a slab would make room for four.
            self.members = Slab::with_capacity(1);
        }
        self.members.insert(entry)
    }

    fn unlist(&mut self, slot: usize) {
        self.members.try_remove(slot);
        self.left = self.left.saturating_add(1);
        let (len, room) = (self.members.len(), self.members.capacity());
        // It is walked through for that: once for as many as it has room for.
        if room > 64 && len < room / 8 && self.left as usize >= room / 2 {
            self.members.shrink_to_fit();
            self.left = 0;
        }
    }

    fn is_idle(&self) -> bool {
        self.members.is_empty() && self.fences == 0 && !self.is_noted
    }
}

impl Shard {
    fn find(&mut self, hash: u64, tag: &Tag) -> Option<&mut Record> {
        self.0
            .find_mut(hash, |record| record.hash == hash && record.tag == *tag)
    }

    fn record(&mut self, hash: u64, tag: &Tag) -> &mut Record {
        let is_it = |record: &Record| record.hash == hash && record.tag == *tag;
        match self.0.entry(hash, is_it, |record| record.hash) {
            TableEntry::Occupied(found) => found.into_mut(),
            TableEntry::Vacant(vacant) => vacant
                .insert(Record {
                    tag: tag.clone(),
                    hash,
                    members: Slab::new(),
                    left: 0,
                    fences: 0,
                    invalidated_at: 0,
                    invalidated_before: 0,
                    is_noted: false,
                })
                .into_mut(),
        }
    }

    /// Removes the record of a tag if nothing needs it any more after this change, and room that is not worth keeping.
    fn release(&mut self, hash: u64, tag: &Tag, change: impl FnOnce(&mut Record)) {
        let is_it = |record: &Record| record.hash == hash && record.tag == *tag;
        if let Ok(mut found) = self.0.find_entry(hash, is_it) {
            change(found.get_mut());
            if found.get().is_idle() {
                found.remove();
            }
        }
        if self.0.capacity() > 64 && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to(self.0.len() * 2, |record| record.hash);
        }
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            loads: Mutex::default(),
            now: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    fn hash(&self, tag: &Tag) -> u64 {
        self.hasher.hash_one(tag)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The high bits, because the table inside the shard uses the low ones.
        lock(&self.shards[(hash >> 56) as usize % SHARDS])
    }

    pub(crate) fn now(&self) -> u64 {
        // Acquire and release: who saw an invalidation return sees the time it set.
        self.now.load(Ordering::Acquire)
    }

    /// A load with these tags, and others perhaps, begins.
    pub(crate) fn begin(&'static self, tags: Vec<Tag>) -> Origin {
        let began = lock(&self.loads).begin();
        Origin::new(self, tags, began)
    }

    /// A load that began then is over.
    pub(super) fn end(&self, began: u64) {
        lock(&self.loads).end(began);
        // A few at a time: there may be many, and everybody who loads takes this lock.
        while self.drop_notes() {}
    }

    /// Drops some notes that no load under way needs. `true` if there may be more.
    fn drop_notes(&self) -> bool {
        let mut loads = lock(&self.loads);
        for _ in 0..STEP {
            let Some((tag, first)) = loads.next_idle_note() else {
                return false;
            };
            let hash = self.hash(&tag);
            let mut shard = self.shard(hash);
            if let Some(record) = shard.find(hash, &tag) {
                if record.invalidated_at > first {
                    // Again since. Behind younger ones perhaps, with which it goes then.
                    let again = (record.invalidated_at, tag);
                    loads.notes.push_back(again);
                    continue;
                }
                record.is_noted = false;
            }
            shard.release(hash, &tag, |_| ());
        }
        true
    }

    /// Turns the clock and notes at a tag that it has been invalidated, moving its fences by `fences`.
    fn note(&self, tag: &Tag, fences: i32) -> Walk<'_> {
        let hash = self.hash(tag);
        let mut loads = lock(&self.loads);
        loads.now += 1;
        let now = loads.now;
        let is_needed = loads.count > 0;
        let mut shard = self.shard(hash);
        let record = if is_needed || fences > 0 {
            Some(shard.record(hash, tag))
        } else {
            shard.find(hash, tag)
        };
        let mut end = 0;
        if let Some(record) = record {
            record.invalidated_before = std::mem::replace(&mut record.invalidated_at, now);
            if is_needed && !record.is_noted {
                record.is_noted = true;
                loads.notes.push_back((now, tag.clone()));
            }
            record.fences = record.fences.saturating_add_signed(fences);
            end = record.members.capacity();
        }
        if fences < 0 {
            shard.release(hash, tag, |_| ());
        }
        drop(shard);
        let are_too_many = loads.notes.len() > MOST_NOTES;
        if are_too_many {
            loads.forgotten = now;
            self.forgotten.store(now, Ordering::Release);
        }
        // Last, so that who sees the time finds the note.
        self.now.store(now, Ordering::Release);
        drop(loads);
        while are_too_many && self.drop_notes() {}
        Walk {
            index: self,
            tag: tag.clone(),
            hash,
            next: 0,
            end,
            evicted: 0,
            reason: if fences == 0 { Reason::Tag } else { Reason::Mutation },
        }
    }

    /// Invalidates everything that carries a tag.
    pub(crate) async fn invalidate(&self, tag: &Tag) -> usize {
        let mut walk = self.note(tag, 0);
        while walk.step() {
            tokio::task::yield_now().await;
        }
        walk.evicted
    }

    /// The start of a mutation of a tag. What is to be evicted is when the result is dropped.
    pub(crate) fn fence(&self, tag: &Tag) -> Walk<'_> {
        self.note(tag, 1)
    }

    /// Its end.
    pub(crate) fn unfence(&self, tag: &Tag) {
        drop(self.note(tag, -1));
    }

    /// Lists an entry under its tags, unless one of them is fenced or was invalidated since `began`. Under the lock of the
    /// entry's key, and before it is stored.
    pub(crate) fn enlist(
        &'static self,
        entry: &Arc<dyn Kept>,
        cache: Weak<dyn Evict>,
        tags: &[Tag],
        began: u64,
    ) -> Result<(), Refused> {
        // First, because who finds the entry under a tag asks it for its cache.
        let listing = entry.listing().get_or_init(|| Box::new(Listing::new(cache)));
        let mut places = Places {
            index: self,
            all: Vec::with_capacity(tags.len()),
        };
        for tag in tags {
            let hash = self.hash(tag);
            let mut shard = self.shard(hash);
            let record = shard.record(hash, tag);
            let invalidated_at = record.invalidated_at.max(self.forgotten.load(Ordering::Acquire));
            if record.fences > 0 || invalidated_at > began {
                shard.release(hash, tag, |_| ());
                drop(shard);
                // What it was listed under until here goes with the places.
                return Err(Refused);
            }
            let slot = record.list(Arc::downgrade(entry));
            places.all.push((record.tag.clone(), slot));
        }
        let is_first = listing.places.set(places).is_ok();
        debug_assert!(is_first, "an entry is stored once");
        Ok(())
    }

    /// The first time since `began` at which one of these tags may have been invalidated.
    pub(super) fn outdated_from<'t>(&self, tags: impl Iterator<Item = &'t Tag>, began: u64) -> u64 {
        if self.now() == began {
            return NEVER;
        }
        let first = |tag| {
            let hash = self.hash(tag);
            let mut shard = self.shard(hash);
            if self.forgotten.load(Ordering::Acquire) > began {
                return Some(began + 1);
            }
            let record = shard.find(hash, tag).filter(|record| record.invalidated_at > began)?;
            // Of more than two times the first is not known.
            Some(if record.invalidated_before > began {
                began + 1
            } else {
                record.invalidated_at
            })
        };
        tags.filter_map(first).min().unwrap_or(NEVER)
    }

    /// Whether one of these tags is being mutated.
    pub(super) fn has_fence<'t>(&self, mut tags: impl Iterator<Item = &'t Tag>) -> bool {
        tags.any(|tag| {
            let hash = self.hash(tag);
            self.shard(hash).find(hash, tag).is_some_and(|record| record.fences > 0)
        })
    }

    /// Room for records.
    #[cfg(all(test, not(cache_core_model)))]
    pub(super) fn room(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).0.capacity()).sum()
    }

    /// Room for the members of a tag.
    #[cfg(all(test, not(cache_core_model)))]
    pub(super) fn room_of(&self, tag: &Tag) -> usize {
        let hash = self.hash(tag);
        self.shard(hash)
            .find(hash, tag)
            .map_or(0, |record| record.members.capacity())
    }

    /// Records, and notes with the loads that they are for. For tests of what is left behind.
    #[cfg(test)]
    pub(crate) fn occupancy(&self) -> (usize, usize) {
        let loads = lock(&self.loads);
        let records = self.shards.iter().map(|shard| lock(shard).0.len()).sum();
        (records, loads.len())
    }
}

/// One of its tags does not let an entry in.
pub(crate) struct Refused;

/// Goes through the members of a tag and evicts them, those that were there when it began; if it is dropped on the way, all
/// that are left.
pub(crate) struct Walk<'i> {
    index: &'i Index,
    tag: Tag,
    hash: u64,
    next: usize,
    end: usize,
    evicted: usize,
    reason: Reason,
}

impl Walk<'_> {
    /// Does a part of it. `false` at the end.
    fn step(&mut self) -> bool {
        if self.next >= self.end {
            return false;
        }
        let until = self.end.min(self.next + STEP);
        // Not made strong under the lock: the last reference takes the lock again when it goes.
        let members: Vec<_> = {
            let mut shard = self.index.shard(self.hash);
            let record = shard.find(self.hash, &self.tag);
            let slots = (self.next..until).filter_map(|slot| record.as_ref()?.members.get(slot));
            slots.cloned().collect()
        };
        self.next = until;
        for entry in members.iter().filter_map(Weak::upgrade) {
            if let Some(cache) = entry.listing().get().and_then(|listing| listing.cache.upgrade()) {
                // It may drop the last reference to a value that was never stored, and the rest must go all the same.
                let evict = || cache.evict_entry(entry, self.reason);
                self.evicted += usize::from(catch_unwind(AssertUnwindSafe(evict)).unwrap_or(false));
            }
        }
        self.next < self.end
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        while self.step() {}
    }
}

/// What an entry with tags carries along: the cache it is of, and where it is listed. Dropped with the entry, which is listed
/// no more then.
pub(crate) struct Listing {
    cache: Weak<dyn Evict>,
    places: OnceLock<Places>,
}

impl Listing {
    fn new(cache: Weak<dyn Evict>) -> Self {
        Self {
            cache,
            places: OnceLock::new(),
        }
    }
}

struct Places {
    index: &'static Index,
    all: Vec<(Tag, usize)>,
}

impl Drop for Places {
    fn drop(&mut self) {
        for (tag, slot) in self.all.drain(..) {
            let hash = self.index.hash(&tag);
            let mut shard = self.index.shard(hash);
            shard.release(hash, &tag, |record| record.unlist(slot));
        }
    }
}
