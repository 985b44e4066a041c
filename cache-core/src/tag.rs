//! Tags: what entries of any caches have in common, so that they can be invalidated together.
//!
//! The [`Index`] knows, for each tag, the entries that carry it and are alive, and what a load that is still under way has
//! to know when it lands: whether one of its tags has been invalidated since it began, or is being mutated. There is one
//! index for the process. The names of tags are exact; no two share a place.
//!
//! # How the promise holds for tags
//! A clock counts invalidations. A load of a tagged cache gets a [`Ticket`] with the time at which it began, before it is
//! registered as a flight. An invalidation of a tag first turns the clock and notes the new time at the tag, and then
//! evicts the entries that are listed under it. A load that lands lists its entry under each of its tags before it is
//! stored, all under the flight table's lock of its key. Under the lock of a tag's shard one of two things is first:
//!
//! - the note: then the load is refused, because it began before;
//! - the listing: then the invalidation finds the entry, waits for the lock of its key, by which time it is stored, and
//!   evicts it.
//!
//! That needs no knowledge of a load's tags before it lands, so it covers those that are made of the loaded value. Whoever
//! *joins* a load after a tag was invalidated must not have its value either: if the tags are known, the load is not joined
//! any more ([`Origin::is_outdated`]); if they turn out at the end, who joined after that invalidation does not take
//! the value and asks again ([`Origin::outdated_from`]). A mutation is an invalidation at its start and at its end, and between them the tag is fenced:
//! whatever lands with it is refused.
//!
//! # What is kept, and for how long
//! A tag has a record while it has living entries, a fence, or a note that some load under way may need; each entry, fence
//! and ticket takes away what it brought when it goes. Entries are known weakly, and unlist themselves when they are
//! dropped.
//!
//! # Lock order
//! flight table's lock of a key → clock → shard of a tag. Entries are evicted, and references to them dropped, under none.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, Weak};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use slab::Slab;

use crate::agent::Resource;
use crate::mutation::MutationGuard;
use crate::observer::Reason;
use crate::session::SessionId;
use crate::store::Kept;
use crate::sync::{AtomicU64, Mutex, MutexGuard, lock};

/// The model checker gets an index in each of its many runs.
const SHARDS: usize = if cfg!(cache_core_model) { 2 } else { 64 };

/// How many members of a tag are looked at before others get their turn, and how many notes.
const STEP: usize = 256;

/// The time of an insertion by hand: it is of now, whenever that is.
pub(crate) const NOW: u64 = u64::MAX;

/// The time of what has not happened.
pub(crate) const NEVER: u64 = u64::MAX;

/// Invalidates everything that carries a tag, in all caches of the process, and says how many entries that were.
///
/// It has the force of any invalidation: once it has returned, no call that starts later gets a value with this tag that
/// began to load before that. Loads that are under way count too, even those whose tags are only known once they
/// finish. What carries other tags goes on meanwhile.
///
/// # Cancellation
/// What was to be evicted is evicted even if this is cancelled, once it has been polled.
///
/// # Example: two caches, one tag
/// ```
/// use cache_core::Cache;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let names = Cache::<u64, &str>::builder().tags(|id| [format!("user:{id}")]).build();
/// let carts = Cache::<u64, u32>::builder().tags(|id| [format!("user:{id}")]).build();
/// names.insert(7, "Ada").await;
/// carts.insert(7, 2).await;
///
/// assert_eq!(cache_core::invalidate_tag("user:7").await, 2);
/// assert_eq!((names.get(&7), carts.get(&7)), (None, None));
/// # }
/// ```
pub async fn invalidate_tag(tag: impl AsRef<str>) -> usize {
    let tag = Tag::user(tag.as_ref());
    index().invalidate(&tag).await
}

/// Begins a mutation of what a tag stands for: evicts all that carries it now, keeps nothing that carries it until the
/// guard ends, and evicts again then.
///
/// # Example: around a write
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # async fn write() {}
/// let guard = cache_core::begin_tag_mutation("user:7").await;
/// write().await;
/// guard.finish().await;
/// # }
/// ```
pub async fn begin_tag_mutation(tag: impl AsRef<str>) -> MutationGuard {
    MutationGuard::tag(index(), Tag::user(tag.as_ref()))
}

/// The index of the process.
pub(crate) fn index() -> &'static Index {
    static INDEX: LazyLock<Index> = LazyLock::new(Index::new);
    &INDEX
}

/// A tag, of a user's or of the library's own. The first letter keeps them apart.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tag(Arc<str>);

impl Tag {
    fn new(tag: fmt::Arguments<'_>) -> Self {
        Self(fmt::format(tag).into())
    }

    pub(crate) fn user(text: &str) -> Self {
        Self::new(format_args!("u{text}"))
    }

    /// Everything of a resource.
    pub(crate) fn resource(resource: Resource) -> Self {
        Self::new(format_args!("r{resource}"))
    }

    /// Everything of a session.
    pub(crate) fn session(session: &SessionId) -> Self {
        Self::new(format_args!("s{session}"))
    }

    /// What a session has of a resource. The length keeps the two names apart, whatever they hold.
    pub(crate) fn part(resource: Resource, session: &SessionId) -> Self {
        Self::new(format_args!("p{}:{session}{resource}", session.as_str().len()))
    }

    /// What a resource has under a key of this hash.
    pub(crate) fn key(resource: Resource, hash: u64) -> Self {
        Self::new(format_args!("k{hash:016x}{resource}"))
    }

    /// What a session has of a resource under a key of this hash.
    pub(crate) fn part_key(resource: Resource, session: &SessionId, hash: u64) -> Self {
        Self::new(format_args!(
            "q{hash:016x}{}:{session}{resource}",
            session.as_str().len()
        ))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The tags of one entry, as they are gathered.
#[derive(Clone, Default)]
pub struct Tags(Vec<Tag>);

impl Tags {
    pub(crate) fn add(&mut self, tag: Tag) {
        self.0.push(tag);
    }

    /// Adds one of the user's.
    pub fn push(&mut self, tag: fmt::Arguments<'_>) {
        self.add(Tag::new(format_args!("u{tag}")));
    }

    /// Adds all that a `tag_fn` has made.
    pub fn extend<T: TagList>(&mut self, tags: T) {
        tags.add_to(self);
    }

    /// Each once.
    pub(crate) fn into_set(self) -> Vec<Tag> {
        let mut tags = self.0;
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

impl From<Vec<Tag>> for Tags {
    fn from(tags: Vec<Tag>) -> Self {
        Self(tags)
    }
}

/// Adds the tags of a value.
pub(crate) type TagValue<V> = fn(&V, &mut Tags);

/// The tags that a call brings, where its cache cannot know them.
pub struct Labels<V> {
    pub(crate) tags: Tags,
    pub(crate) tag_value: Option<TagValue<V>>,
}

impl<V> Labels<V> {
    /// Of the tags that are known, and of what makes others of the value.
    pub fn new(tags: Tags, tag_value: Option<fn(&V, &mut Tags)>) -> Self {
        Self { tags, tag_value }
    }
}

impl<V> fmt::Debug for Labels<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tags.fmt(f)
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a `tag_fn` may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of tags",
    label = "`tag_fn` has to return texts to iterate over, such as `Vec<String>`, `[String; 2]` or `Option<&str>`"
)]
pub trait TagList {
    /// Adds them.
    fn add_to(self, tags: &mut Tags);
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator<Item: AsRef<str>>> TagList for I {
    fn add_to(self, tags: &mut Tags) {
        for tag in self {
            tags.add(Tag::user(tag.as_ref()));
        }
    }
}

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
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

/// The clock, and who still has to know what it was.
struct Loads {
    /// How many invalidations there have been.
    now: u64,
    /// When loads began that are under way, and how many of them.
    under_way: VecDeque<(u64, usize)>,
    /// How many they are.
    count: usize,
    /// What was invalidated since the first of them began, each tag once, and when at least.
    notes: VecDeque<(u64, Tag)>,
}

impl Loads {
    fn begin(&mut self) -> u64 {
        self.count += 1;
        match self.under_way.back_mut() {
            Some((at, count)) if *at == self.now => *count += 1,
            _ => self.under_way.push_back((self.now, 1)),
        }
        self.now
    }

    fn end(&mut self, began: u64) {
        self.count -= 1;
        let place = self.under_way.partition_point(|(at, _)| *at < began);
        if let Some((_, count)) = self.under_way.get_mut(place) {
            *count -= 1;
        }
        while self.under_way.front().is_some_and(|(_, count)| *count == 0) {
            self.under_way.pop_front();
        }
        // One that takes for ever must not keep a place for each that came and went since.
        if self.under_way.len() > 2 * self.count + 64 {
            self.under_way.retain(|(_, count)| *count > 0);
        }
    }

    /// When the first load under way began: what was invalidated until then, nobody need know.
    fn first(&self) -> u64 {
        self.under_way.front().map_or(NOW, |(at, _)| *at)
    }
}

#[derive(Default)]
struct Shard(HashTable<Record>);

struct Record {
    tag: Tag,
    hash: u64,
    members: Slab<Weak<dyn Kept>>,
    /// Mutations under way.
    fences: usize,
    /// When it was last invalidated, 0 for never or for so long ago that nobody need know.
    invalidated_at: u64,
    /// When the time before that.
    invalidated_before: u64,
    /// Whether there is a note of it.
    is_noted: bool,
}

impl Record {
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
                    fences: 0,
                    invalidated_at: 0,
                    invalidated_before: 0,
                    is_noted: false,
                })
                .into_mut(),
        }
    }

    /// Removes the record of a tag if nothing needs it any more, and room that is not worth keeping.
    fn tidy(&mut self, hash: u64, tag: &Tag) {
        let is_it = |record: &Record| record.hash == hash && record.tag == *tag;
        if let Ok(mut found) = self.0.find_entry(hash, is_it) {
            let members = &mut found.get_mut().members;
            if members.capacity() > 64 && members.len() < members.capacity() / 8 {
                members.shrink_to_fit();
            }
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
            loads: Mutex::new(Loads {
                now: 0,
                under_way: VecDeque::new(),
                count: 0,
                notes: VecDeque::new(),
            }),
            now: AtomicU64::new(0),
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
        Origin {
            tags,
            ticket: Ticket {
                index: self,
                began,
                has_ended: AtomicBool::new(false),
            },
        }
    }

    /// A load that began then is over.
    fn end(&self, began: u64) {
        lock(&self.loads).end(began);
        // A few at a time: there may be many, and everybody who loads takes this lock.
        while self.drop_notes() {}
    }

    /// Drops some notes that no load under way needs. `true` if there may be more.
    fn drop_notes(&self) -> bool {
        let mut loads = lock(&self.loads);
        let first = loads.first();
        for _ in 0..STEP {
            if loads.notes.front().is_none_or(|(at, _)| *at > first) {
                if loads.notes.is_empty() && loads.notes.capacity() > 1024 {
                    loads.notes = VecDeque::new();
                }
                return false;
            }
            let Some((_, tag)) = loads.notes.pop_front() else {
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
            shard.tidy(hash, &tag);
        }
        true
    }

    /// Turns the clock and notes at a tag that it has been invalidated, moving its fences by `fences`.
    fn note(&self, tag: &Tag, fences: isize) -> Walk<'_> {
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
            shard.tidy(hash, tag);
        }
        // Last, so that who sees the time finds the note.
        self.now.store(now, Ordering::Release);
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
        let listing = entry.facts().listing.get_or_init(|| Box::new(Listing::new(cache)));
        let mut places = Places {
            index: self,
            all: Vec::with_capacity(tags.len()),
        };
        for tag in tags {
            let hash = self.hash(tag);
            let mut shard = self.shard(hash);
            let record = shard.record(hash, tag);
            if record.fences > 0 || record.invalidated_at > began {
                drop(shard);
                // What it was listed under until here goes with the places.
                return Err(Refused);
            }
            let slot = record.members.insert(Arc::downgrade(entry));
            places.all.push((record.tag.clone(), slot));
        }
        let is_first = listing.places.set(places).is_ok();
        debug_assert!(is_first, "an entry is stored once");
        Ok(())
    }

    /// The first time since `began` at which one of these tags may have been invalidated.
    fn outdated_from<'t>(&self, tags: impl Iterator<Item = &'t Tag>, began: u64) -> u64 {
        if self.now() == began {
            return NEVER;
        }
        let first = |tag| {
            let hash = self.hash(tag);
            let mut shard = self.shard(hash);
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

    /// Room for records.
    #[cfg(all(test, not(cache_core_model)))]
    fn room(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).0.capacity()).sum()
    }

    /// Records, and notes with the loads that they are for. For tests of what is left behind.
    #[cfg(test)]
    pub(crate) fn occupancy(&self) -> (usize, usize) {
        let loads = lock(&self.loads);
        let records = self.shards.iter().map(|shard| lock(shard).0.len()).sum();
        (records, loads.notes.len() + loads.under_way.len())
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
            if let Some(cache) = entry.facts().listing.get().and_then(|listing| listing.cache.upgrade()) {
                self.evicted += usize::from(cache.evict_entry(entry, self.reason));
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

/// Where a load with tags comes from.
pub(crate) struct Origin {
    /// The tags that are known before it ends, in order.
    tags: Vec<Tag>,
    ticket: Ticket,
}

impl Origin {
    pub(crate) fn began(&self) -> u64 {
        self.ticket.began
    }

    pub(crate) fn now(&self) -> u64 {
        self.ticket.index.now()
    }

    /// Whether what it loads is known to be outdated already.
    pub(crate) fn is_outdated(&self) -> bool {
        self.ticket.index.outdated_from(self.tags.iter(), self.ticket.began) != NEVER
    }

    /// Who joined when may not have what it loads because of those of its tags of which nobody knew before. (Once it was
    /// outdated by another one it was not joined any more.)
    pub(crate) fn outdated_from(&self, tags: &[Tag]) -> u64 {
        let late = tags.iter().filter(|tag| self.tags.binary_search(tag).is_err());
        self.ticket.index.outdated_from(late, self.ticket.began)
    }

    /// The load is over; nothing need be noted for it any more.
    pub(crate) fn end(&self) {
        self.ticket.end();
    }
}

/// Says that a load is under way, which has to know what was invalidated since it began.
struct Ticket {
    index: &'static Index,
    began: u64,
    has_ended: AtomicBool,
}

impl Ticket {
    fn end(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            self.index.end(self.began);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end();
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
            if let Some(record) = shard.find(hash, &tag) {
                record.members.try_remove(slot);
            }
            shard.tidy(hash, &tag);
        }
    }
}

#[cfg(all(test, not(cache_core_model)))]
mod tests {
    use std::future::pending;
    use std::sync::atomic::AtomicU64;

    use futures::FutureExt as _;

    use super::*;
    use crate::cache::Cache;
    use crate::clock::Clock;
    use crate::store::Store as _;

    /// An index of its own, because the tests of a process share one.
    fn own_index() -> &'static Index {
        Box::leak(Box::new(Index::new()))
    }

    fn cache(index: &'static Index, max_size: usize) -> Cache<u64, u64> {
        let mut builder = Cache::builder().max_size(max_size).clock(Clock::manual());
        builder.index = Some(index);
        builder.tags(|key| [format!("key:{key}")]).tag_fn(|_| ["all"]).build()
    }

    /// Lets go of what has left the store.
    fn settle(cache: &Cache<u64, u64>) {
        cache.shared().store.settle();
    }

    #[tokio::test]
    async fn the_index_holds_what_lives_and_nothing_else() {
        let index = own_index();
        let cache = cache(index, 100);
        let distinct = if cfg!(miri) { 1_000 } else { 300_000 };
        for key in 0..distinct {
            if key % 2 == 0 {
                cache.insert(key, 0).await;
            } else {
                cache.get_or_load(key, || async { 0 }).await;
            }
        }
        settle(&cache);
        assert_eq!(
            index.occupancy(),
            (101, 0),
            "one for each entry, and the one they share"
        );
        assert!(index.room() < 64 * 64, "{} records have room", index.room());

        assert_eq!(index.invalidate(&Tag::user("all")).await, 100);
        settle(&cache);
        assert_eq!(index.occupancy(), (0, 0));

        cache.insert(1, 1).await;
        drop(cache);
        assert_eq!(index.occupancy(), (0, 0), "a cache takes its entries along");
    }

    #[tokio::test]
    async fn every_way_out_of_a_cache_is_one_out_of_the_index() {
        let index = own_index();
        let clock = Clock::manual();
        let mut builder = Cache::<u64, u64>::builder().max_size(2).clock(clock.clone());
        builder.index = Some(index);
        let cache = builder
            .ttl(std::time::Duration::from_secs(1))
            .tags(|key| [format!("key:{key}")])
            .build();
        let len = || {
            settle(&cache);
            index.occupancy().0
        };
        cache.insert(1, 1).await;
        assert_eq!(len(), 1);
        cache.insert(1, 2).await;
        assert_eq!(len(), 1, "replaced");
        cache.invalidate(&1).await;
        assert_eq!(len(), 0, "invalidated");
        for key in 0..5 {
            cache.insert(key, key).await;
        }
        assert_eq!(len(), 2, "evicted");
        cache.clear().await;
        assert_eq!(len(), 0, "cleared");
        cache.insert(1, 1).await;
        clock.advance(std::time::Duration::from_secs(1));
        assert!(cache.is_empty());
        assert_eq!(len(), 0, "expired");
        let guard = cache.begin_mutation(&1).await;
        cache.insert(1, 1).await;
        assert_eq!(len(), 0, "refused by the key");
        guard.finish().await;
        let guard = MutationGuard::tag(index, Tag::user("key:1"));
        cache.insert(1, 1).await;
        assert_eq!(len(), 1, "refused by the tag, which has a fence");
        guard.finish().await;
        assert_eq!(len(), 0);
    }

    #[tokio::test]
    async fn notes_last_as_long_as_a_load_that_may_need_them() {
        let index = own_index();
        let cache = cache(index, 100);
        {
            let mut first = Box::pin(cache.get_or_load(1, pending));
            assert!((&mut first).now_or_never().is_none());
            for n in 0..1_000 {
                index.invalidate(&Tag::user(&format!("other:{n}"))).await;
            }
            assert_eq!(
                index.occupancy(),
                (1_000, 1_001),
                "notes, and the load that may need them"
            );
            let mut second = Box::pin(cache.get_or_load(2, pending));
            assert!((&mut second).now_or_never().is_none());
            drop(first);
            assert_eq!(index.occupancy(), (0, 1), "the second began after them");
        }
        assert_eq!(index.occupancy(), (0, 0));
        index.invalidate(&Tag::user("nobody's")).await;
        assert_eq!(index.occupancy(), (0, 0), "nobody can need this one");
    }

    #[tokio::test]
    async fn what_comes_and_goes_beside_a_load_that_takes_for_ever_leaves_little() {
        let index = own_index();
        let cache = cache(index, 100);
        let mut stuck = Box::pin(cache.get_or_load(1, pending));
        assert!((&mut stuck).now_or_never().is_none());
        for n in 0..10_000 {
            index.invalidate(&Tag::user(&format!("other:{}", n % 10))).await;
            cache.get_or_load(2 + n, || async { 0 }).await;
        }
        settle(&cache);
        let (records, noted) = index.occupancy();
        assert!(
            records <= 111 && noted < 100,
            "{records} records, {noted} notes and loads"
        );
        assert_eq!(index.invalidate(&Tag::user("other:3")).await, 0);
        let mut other = Box::pin(cache.get_or_load(1_000_000, pending));
        assert!((&mut other).now_or_never().is_none());
        drop(stuck);
        drop(other);
        assert_eq!(index.occupancy().1, 0);
    }

    #[tokio::test]
    async fn a_flight_that_somebody_still_waits_for_keeps_no_notes_once_it_has_landed() {
        let index = own_index();
        let cache = cache(index, 100);
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut leader = Box::pin(cache.get_or_load(1, || async { receive.await.unwrap_or(0) }));
        assert!((&mut leader).now_or_never().is_none());
        let mut waiter = Box::pin(cache.get_or_load(1, pending));
        assert!((&mut waiter).now_or_never().is_none());
        index.invalidate(&Tag::user("other")).await;
        assert!(send.send(7).is_ok());
        assert_eq!((&mut leader).now_or_never(), Some(7));
        assert_eq!(index.occupancy().1, 0);
        assert_eq!((&mut waiter).now_or_never(), Some(7));
    }

    #[tokio::test]
    async fn an_invalidation_that_is_dropped_goes_through_all_the_same() {
        let index = own_index();
        let cache = cache(index, 10_000);
        for key in 0..5_000 {
            cache.insert(key, 0).await;
        }
        let tag = Tag::user("all");
        let mut invalidation = Box::pin(index.invalidate(&tag));
        assert!((&mut invalidation).now_or_never().is_none(), "others get their turn");
        assert!(!cache.is_empty());
        drop(invalidation);
        assert!(cache.is_empty());
    }

    /// While one evicts, another of the same tag may not return before what both cover is gone.
    #[tokio::test]
    async fn two_invalidations_of_one_tag_both_see_it_through() {
        let index = own_index();
        let cache = cache(index, 10_000);
        for key in 0..5_000 {
            cache.insert(key, 0).await;
        }
        let tag = Tag::user("all");
        let mut first = Box::pin(index.invalidate(&tag));
        assert!((&mut first).now_or_never().is_none());
        let second = index.invalidate(&tag).await;
        assert!(cache.is_empty());
        assert_eq!(first.await + second, 5_000, "each counts what it evicted");
    }

    /// The names of the library's own tags, whatever users write into theirs.
    #[test]
    fn no_two_tags_have_one_name() {
        let session = |id: &str| SessionId::from(id);
        let (a, b) = (Resource::new("a"), Resource::new("1:ba"));
        let tags = [
            Tag::user("a"),
            Tag::user("ra"),
            Tag::user(""),
            Tag::resource(a),
            Tag::resource(b),
            Tag::session(&session("a")),
            Tag::session(&session("")),
            Tag::part(a, &session("b")),
            Tag::part(a, &session("")),
            Tag::part(Resource::new("ba"), &session("")),
            Tag::part(b, &session("")),
            Tag::part(b, &session("a")),
            Tag::key(a, 1),
            Tag::key(b, 1),
            Tag::part_key(a, &session(""), 1),
            Tag::part_key(a, &session("b"), 1),
        ];
        let distinct: std::collections::HashSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), tags.len());
    }

    /// More tags than one, many threads, all at once; in the end nothing is left.
    #[test]
    fn threads_that_list_and_invalidate_leave_nothing() {
        let index = own_index();
        let cache = cache(index, 64);
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        let load = cache.get_or_load(n % 200, || async { n });
                        futures::executor::block_on(load);
                        if n.is_multiple_of(7) {
                            let tag = Tag::user(&format!("key:{}", n % 13));
                            futures::executor::block_on(index.invalidate(&tag));
                        }
                        if n.is_multiple_of(1_001) {
                            drop(MutationGuard::tag(index, Tag::user("all")));
                        }
                    }
                });
            }
        });
        futures::executor::block_on(index.invalidate(&Tag::user("all")));
        assert!(cache.is_empty());
        settle(&cache);
        assert_eq!(index.occupancy(), (0, 0));
    }
}
