//! Where entries are kept: a place with bounds, and nothing else.
//!
//! A store knows nothing of flights, fences, tags or observers; it tells a [`Journal`] what comes in and what it evicts. It
//! is the cache that decides what may be kept; see the invariants in [`crate::flight`]. There is one for each [`Policy`], and
//! one suite of tests that both must pass (`conformance.rs`).

#[cfg(all(test, not(cache_core_model)))]
mod conformance;
mod either;
mod entry;
mod morgue;
mod ranking;
mod recency;
mod tiny_lfu;

use std::any::Any;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use equivalent::Equivalent;

pub(crate) use self::either::EitherStore;
pub(crate) use self::entry::{Entry, Kept, Life, Staleness, Standing};
pub(crate) use self::morgue::drop_each;
use self::ranking::Ranking;
pub(crate) use self::recency::RecencyStore;
pub(crate) use self::tiny_lfu::TinyLfuStore;
use crate::clock::{Clock, Nanos};

/// A place that keeps entries within bounds.
///
/// # What the caller MUST do
/// - Give an entry, and every lookup, the same hash for equal keys and for what is [`Equivalent`] to them.
/// - Of the methods that change something, run no two at once for the same key, and `clear` beside none. Keys are those
///   of the flight table's locks. `read`, `contains` and what only tells something may run at any time.
/// - Hold no lock when it calls [`bury`](Self::bury), [`discard`](Self::discard) or [`settle`](Self::settle), or when
///   it drops an entry that came back: dropping a value is foreign code.
///
/// # What the store MUST do
/// - Once a method that removes has returned, find what it removed no more, on any thread, in any call that starts then.
/// - Keep its bounds at the end of each method that changes something.
/// - Never bring back what it has let go, and never return an entry that has expired.
/// - Never let a reader wait for a writer.
/// - Drop values nowhere but where the caller holds no lock. Of foreign code, that of keys (`Eq`, `Clone`, the drop of a
///   clone) is all that it may run under locks.
pub(crate) trait Store<K, V>: Send + Sync + Sized {
    /// Shows the entry of a key to `read`, with what it is good for now, if it is there and not over.
    fn look<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        look: Look,
        clock: &Clock,
        read: impl FnOnce(&Arc<Entry<K, V>>, Standing) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized;

    /// The same of an entry that is fresh.
    #[inline]
    fn read<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        look: Look,
        clock: &Clock,
        read: impl FnOnce(&Arc<Entry<K, V>>) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.look(hash, key, look, clock, |entry, standing| {
            standing.is_fresh().then(|| read(entry))
        })
        .flatten()
    }

    /// Runs `f`, in which a lookup may cost less than it would by itself. What leaves the store meanwhile is dropped later.
    fn during<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Whether there may be an entry for this key, expired or not. It does not count as a use.
    fn contains<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized;

    /// Keeps an entry in the place of the key's former one, which it returns. Readers MUST find the one or the other at
    /// any moment, unless the store lets them go for its bounds. The journal is told.
    fn put(&self, entry: Arc<Entry<K, V>>, clock: &Clock) -> Put<K, V>;

    /// The same for who does not care about time.
    #[cfg(test)]
    fn insert(&self, entry: Arc<Entry<K, V>>) -> Option<Arc<Entry<K, V>>> {
        self.put(entry, &Clock::manual()).former
    }

    /// Removes and returns the entry of a key.
    fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized;

    /// Removes this very entry, if it is still there.
    fn remove_entry(&self, entry: &Arc<Entry<K, V>>) -> bool;

    /// Removes everything, in a time that does not depend on how much it is. The caller MUST hand the result to
    /// [`discard`](Self::discard) after its locks.
    fn clear(&self) -> Cleared {
        self.clear_and(None)
    }

    /// The same, and has each entry that it removes shown to `each`, which takes a time that does depend on it. `each` MUST
    /// be quick, and MUST NOT call the store.
    fn clear_and(&self, each: Option<Each<'_>>) -> Cleared;

    /// Frees what a clear has removed.
    fn discard(&self, cleared: Cleared);

    /// Entries that may have expired at `now`, at most `limit`. The caller MUST follow up on each with
    /// [`remove_expired`](Self::remove_expired), under the lock that guards its key, and drop it after that lock.
    fn due(&self, now: Nanos, limit: usize) -> Vec<Due>;

    /// Removes an entry that was [`due`](Self::due), if it is still there and has expired; if not, it will be due again.
    fn remove_expired(&self, due: &Due, clock: &Clock) -> bool;

    /// Drops what has left the store, as far as nobody holds it.
    fn bury(&self);

    /// Whether nothing that has left the store is still to be dropped.
    fn is_settled(&self) -> bool;

    /// [`bury`](Self::bury) after a round of whatever keeps removed entries from being dropped. `false` if some still are.
    fn settle(&self) -> bool;

    /// When [`due`](Self::due) will next have something to say.
    fn next_deadline(&self) -> Option<Nanos>;

    /// How many entries there are, those of which time has come included.
    fn len(&self) -> u64;

    /// How many entries had to go because of the bounds, since the store was made.
    fn evictions(&self) -> u64;

    /// To be called now and then by who hits and hits: uses of long ago need not be told from older ones by then.
    fn age(&self);
}

/// Sees one entry after the other.
pub(crate) type Each<'e> = &'e mut dyn FnMut(&Arc<dyn Kept>);

/// What came of keeping an entry.
pub(crate) struct Put<K, V> {
    /// The entry that was there before.
    pub(crate) former: Option<Arc<Entry<K, V>>>,
    /// Whether time had ended that one, as the journal was told.
    pub(crate) former_had_expired: bool,
    /// Whether the new one came in at all; if not, the journal was told nothing.
    pub(crate) is_kept: bool,
}

/// What a store tells of its doings, in their order.
///
/// The order of what comes in for a key and what is evicted is decided under the store's own locks, so a store tells of both
/// while it holds them. The journal MUST be quick then, and MUST NOT call the store. What is removed otherwise, the caller
/// knows; it holds the lock that orders that with what comes in.
pub(crate) trait Journal: Send + Sync {
    /// Whether there is anybody to tell.
    fn is_open(&self) -> bool;

    /// An entry comes in, in the place of a former one, of which it is said whether it had expired.
    fn came_in(&self, entry: &Arc<dyn Kept>, former: Option<(&Arc<dyn Kept>, bool)>);

    /// An entry had to go because of the bounds. It MUST have been told of before, if the journal was open by then.
    fn evicted(&self, entry: &Arc<dyn Kept>);
}

/// The journal of a store that nobody listens to.
#[cfg(test)]
impl Journal for () {
    fn is_open(&self) -> bool {
        false
    }

    fn came_in(&self, _: &Arc<dyn Kept>, _: Option<(&Arc<dyn Kept>, bool)>) {}

    fn evicted(&self, _: &Arc<dyn Kept>) {}
}

/// What a look at an entry counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// A use, which keeps it from being evicted and from lying idle.
    Use,
    /// Nothing. A policy that cannot look without counting may count it as a use.
    Peek,
}

/// An entry that has to be looked at because of its age.
pub(crate) struct Due(Arc<dyn Kept>);

impl Due {
    pub(crate) fn hash(&self) -> u64 {
        self.0.facts().hash
    }

    pub(crate) fn entry(&self) -> &Arc<dyn Kept> {
        &self.0
    }
}

/// What a clear removed.
pub(crate) struct Cleared {
    pub(crate) count: u64,
    remains: Remains,
}

/// What has to be freed after a clear.
enum Remains {
    /// The orders of the default store. What they held is in its index still.
    Struck { by_use: Ranking, _by_deadline: Ranking },
    /// All that there was.
    All { _room: Arc<dyn Any + Send + Sync> },
}

/// What ends the life of entries for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The entry that was used least recently goes first. Good when what was used will be used again soon.
    ///
    /// Uses of one thread count in their order; see `ARCHITECTURE.md` for how far uses of several threads may be taken
    /// for each other in large caches. A hit takes no lock and allocates nothing. In caches of more than 64 entries, what
    /// it writes other hits write seldom.
    #[default]
    Lru,
    /// A newcomer gets in only if it is asked for more often than what would have to go (`TinyLFU`: Einziger,
    /// Friedman, Manes, 2017). Good when some keys stay popular and scans must not sweep them out.
    ///
    /// The store is moka's, several times slower on a hit.
    TinyLfu,
}

/// How much a store may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Entries(u64),
    Weight(u64),
    Unbounded,
}

impl Bound {
    pub(crate) fn max_weight(self) -> Option<u64> {
        match self {
            Self::Weight(most) => Some(most),
            _ => None,
        }
    }

    /// Whether so few entries are to be expected that all can be moved in no time, or so heavy ones that each counts.
    fn is_of_few(self) -> bool {
        match self {
            Self::Entries(most) => most <= 1 << 14,
            Self::Weight(_) => true,
            Self::Unbounded => false,
        }
    }

    pub(crate) fn keeps_nothing(self) -> bool {
        matches!(self, Self::Entries(0) | Self::Weight(0))
    }
}

/// How keys are hashed.
///
/// The index looks for a place in a table for some fifty steps and no more; then it takes another table, and one of the same
/// size if this one is less than half full. So it would take one after the other for ever, and all memory, if many hashes of
/// few keys began at places near to each other. With `foldhash::fast` they do, for keys that are numbers in a row and one seed
/// in some thousand.
pub(crate) use foldhash::quality as hashing;

/// The hasher for what is hashed already.
#[derive(Clone, Copy, Default)]
struct Ready;

struct ReadyHasher(u64);

impl BuildHasher for Ready {
    type Hasher = ReadyHasher;

    #[inline]
    fn build_hasher(&self) -> ReadyHasher {
        ReadyHasher(0)
    }
}

impl Hasher for ReadyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is ever called on it; this keeps the trait's promise all the same.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
