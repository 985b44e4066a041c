//! Where entries are kept: a place with bounds, and nothing else.
//!
//! A store knows nothing of flights, fences or tags. It is the cache that decides what may be kept; see the
//! invariants in [`crate::flight`].

mod expiry;
mod moka;
mod morgue;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use equivalent::Equivalent;

pub(crate) use self::moka::MokaStore;
use crate::clock::{NEVER, Nanos, nanos};

/// A value as it is kept.
pub(crate) struct Entry<V> {
    pub(crate) value: V,
    weight: u32,
    /// When the entry is too old.
    expires_at: Nanos,
    /// How long it may lie unused, [`NEVER`] for ever.
    idle_limit: Nanos,
    /// Written by readers, at most once a [`STAMP_GRAIN`], so that hits of one key seldom meet.
    last_used: AtomicU64,
    /// Unique in the process; tells this entry from its successor under the same key.
    serial: u64,
    /// Where the expiry index has this entry, [`NEVER`] for nowhere. Under the lock of the index.
    listed_at: AtomicU64,
    /// Whether it is in no store any more. Under the lock of the index.
    has_left: AtomicBool,
}

/// How exactly the last use of an entry is known. An idle limit may be exceeded by no less and undercut by this.
const STAMP_GRAIN: Nanos = 1_000_000;

impl<V> Entry<V> {
    pub(crate) fn new(value: V, weight: u32, now: Nanos, ttl: Option<Duration>, tti: Option<Duration>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            value,
            weight,
            expires_at: ttl.map_or(NEVER, |ttl| now.saturating_add(nanos(ttl))),
            idle_limit: tti.map_or(NEVER, nanos),
            last_used: AtomicU64::new(now),
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            listed_at: AtomicU64::new(NEVER),
            has_left: AtomicBool::new(false),
        }
    }

    /// When the entry will have expired if nobody uses it again.
    fn deadline(&self) -> Nanos {
        let idle = self.last_used.load(Ordering::Relaxed).saturating_add(self.idle_limit);
        self.expires_at.min(idle)
    }

    /// Whether the entry is of no use at `now`: an age equal to the limit is too old.
    pub(crate) fn is_expired(&self, now: Nanos) -> bool {
        now >= self.deadline()
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether time ends this entry at all, so that the clock has to be read.
    pub(crate) fn is_mortal(&self) -> bool {
        self.expires_at != NEVER || self.idle_limit != NEVER
    }

    fn touch(&self, now: Nanos) {
        if self.idle_limit != NEVER {
            let grain = STAMP_GRAIN.min(self.idle_limit / 64);
            if now.saturating_sub(self.last_used.load(Ordering::Relaxed)) >= grain.max(1) {
                self.last_used.fetch_max(now, Ordering::Relaxed);
            }
        }
    }
}

/// A place that keeps entries within bounds.
///
/// The hash given with a key MUST be the same for equal keys and for what is [`Equivalent`] to them. Of all
/// methods but `get` and `len`, the caller MUST NOT run two at once for the same key, or `clear` beside any other.
pub(crate) trait Store<K, V>: Send + Sync + Sized {
    /// The entry of a key, if it has not expired. The store MUST NOT wait for a writer, and counts it as a use.
    ///
    /// `now` is asked only if time matters to the entry.
    fn get<Q>(&self, hash: u64, key: &Q, now: impl Fn() -> Nanos) -> Option<Arc<Entry<V>>>
    where
        Q: Equivalent<K> + ?Sized;

    /// Keeps an entry in the place of the key's former one, which it returns.
    ///
    /// When it returns, the store MUST be within its bounds, whether or not it kept this entry.
    fn insert(&self, hash: u64, key: K, entry: Arc<Entry<V>>) -> Option<Arc<Entry<V>>>;

    /// Removes and returns the entry of a key. A `get` that starts afterwards MUST NOT find it.
    fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<V>>>
    where
        Q: Equivalent<K> + ?Sized;

    /// Removes everything, with the same force. What it returns holds the entries, so that the caller can drop
    /// them after its locks, and knows how many they were.
    fn clear(&self) -> impl Cleared + use<Self, K, V>;

    /// Keys whose entries may have expired at `now`, at most `limit`. The caller MUST follow up on each with
    /// [`remove_expired`](Self::remove_expired), under the lock that guards that key.
    fn due(&self, now: Nanos, limit: usize) -> Vec<Due<K, V>>;

    /// Removes the entry that was [`due`](Self::due), if it still is; otherwise it will be due again. The caller MUST
    /// [`hold`](Due::hold) the entry from before its lock until after.
    fn remove_expired(&self, due: &Due<K, V>, now: Nanos) -> Option<Arc<Entry<V>>>;

    /// Drops what has left the store, as far as nobody holds it. The caller MUST NOT hold a lock: dropping a value is
    /// foreign code, which the store runs nowhere else.
    fn bury(&self);

    /// The same, after a round of whatever keeps removed entries from being dropped. `false` if some still are.
    fn settle(&self) -> bool;

    /// Whether there may be an entry for this key, without counting it as a use.
    fn contains<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized;

    /// When [`due`](Self::due) will next have something to say.
    fn next_deadline(&self) -> Option<Nanos>;

    /// How many entries there are, those of which time has come included.
    fn len(&self) -> u64;

    /// How many entries had to go because of the bounds, since the store was made.
    fn evictions(&self) -> u64;
}

/// A key that has to be looked at because of its age.
pub(crate) struct Due<K, V> {
    /// The index that lists it.
    index: u64,
    hash: u64,
    key: K,
    entry: Weak<Entry<V>>,
}

impl<K, V> Due<K, V> {
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The entry, if it is still there: held by who looks at it, so that its last reference is not dropped under a lock.
    pub(crate) fn hold(&self) -> Option<Arc<Entry<V>>> {
        self.entry.upgrade()
    }
}

/// Entries that a clear took out.
pub(crate) trait Cleared {
    fn count(&self) -> u64;
}

/// What ends the life of entries for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The entry that was used least recently goes first. Good when what was used will be used again soon.
    #[default]
    Lru,
    /// A newcomer gets in only if it is asked for more often than what would have to go (`TinyLFU`: Einziger,
    /// Friedman, Manes, 2017). Good when some keys stay popular and scans must not sweep them out.
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

    pub(crate) fn keeps_nothing(self) -> bool {
        matches!(self, Self::Entries(0) | Self::Weight(0))
    }
}
