//! What a store keeps: a value with its key, and what there is to know about them.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, NEAR, NEVER, Nanos, nanos};
use crate::key::{Key, Value};

/// A value as it is kept.
pub(crate) struct Entry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(super) facts: Facts,
}

/// What does not depend on the types of key and value, and so need not be compiled for each.
pub(crate) struct Facts {
    pub(super) hash: u64,
    pub(super) weight: u32,
    /// Whether it has left the store. Set once, by the store; what a reader sees of it decides whether it is a hit.
    gone: AtomicBool,
    /// How often the store had been cleared when the entry came in. Written before anybody else sees the entry.
    pub(super) generation: AtomicU64,
    /// When the entry is too old.
    expires_at: Nanos,
    /// How long it may lie unused, [`NEVER`] for ever.
    idle_limit: Nanos,
    /// Written by readers, and not more often than the idle limit needs.
    last_used: AtomicU64,
    /// Its place in the order of use, by the store that keeps it. Written by readers.
    pub(super) stamp: AtomicU64,
    /// Unique in the process; tells this entry from its successor under the same key.
    pub(super) serial: u64,
    /// Where the order of eviction has it. Under the lock of the store.
    pub(super) rank: AtomicU64,
    /// Where the order of expiry has it, [`NEVER`] for nowhere. Under the lock of the store.
    pub(super) listed_at: AtomicU64,
}

/// How exactly the last use of an entry is known, if its idle limit is not shorter than 64 times this.
const USE_GRAIN: Nanos = 1_000_000;

/// An entry of any types.
pub(crate) trait Kept: Any + Send + Sync {
    fn facts(&self) -> &Facts;
}

impl<K: Key, V: Value> Kept for Entry<K, V> {
    fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl<K, V> Entry<K, V> {
    pub(crate) fn new(hash: u64, key: K, value: V, weight: u32, life: &Life) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let facts = Facts {
            hash,
            weight,
            gone: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            expires_at: life.ttl.map_or(NEVER, |ttl| life.begins_at.saturating_add(nanos(ttl))),
            idle_limit: life.tti.map_or(NEVER, nanos),
            last_used: AtomicU64::new(life.begins_at),
            stamp: AtomicU64::new(0),
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            rank: AtomicU64::new(0),
            listed_at: AtomicU64::new(NEVER),
        };
        Self { key, value, facts }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.facts.hash
    }

    pub(crate) fn weight(&self) -> u32 {
        self.facts.weight
    }

    /// Whether time ends this entry at all.
    pub(crate) fn is_mortal(&self) -> bool {
        self.facts.is_mortal()
    }

    /// Whether the entry is of no use any more: an age equal to the limit is too old.
    #[inline]
    pub(crate) fn has_expired(&self, clock: &Clock) -> bool {
        self.facts.has_expired(clock)
    }
}

/// When an entry begins to live, and what ends it.
pub(crate) struct Life {
    pub(crate) begins_at: Nanos,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tti: Option<Duration>,
}

impl Facts {
    #[inline]
    pub(super) fn is_mortal(&self) -> bool {
        self.expires_at.min(self.idle_limit) != NEVER
    }

    /// When the entry will have expired if nobody uses it again.
    pub(super) fn deadline(&self) -> Nanos {
        let idle = self.last_used.load(Ordering::Relaxed).saturating_add(self.idle_limit);
        self.expires_at.min(idle)
    }

    #[inline]
    pub(super) fn has_expired(&self, clock: &Clock) -> bool {
        self.is_mortal() && clock.has_reached(self.deadline())
    }

    /// Notes a use of an entry that must not lie unused.
    #[inline]
    pub(super) fn touch(&self, clock: &Clock) {
        if self.idle_limit != NEVER {
            let now = if self.idle_limit < 2 * NEAR {
                clock.now()
            } else {
                clock.about_now()
            };
            let grain = USE_GRAIN.min(self.idle_limit / 64).max(1);
            if now.saturating_sub(self.last_used.load(Ordering::Relaxed)) >= grain {
                self.last_used.fetch_max(now, Ordering::Relaxed);
            }
        }
    }

    /// Whether it has left the store.
    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        // Acquire: who sees that it is gone sees what took its place.
        self.gone.load(Ordering::Acquire)
    }

    /// `true` for the one who says it first.
    pub(super) fn leave(&self) -> bool {
        !self.gone.swap(true, Ordering::AcqRel)
    }
}
