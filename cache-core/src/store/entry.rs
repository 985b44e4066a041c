//! What a store keeps: a value with its key, and what there is to know about them.

use std::any::Any;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Look;
use crate::clock::{Clock, NEAR, NEVER, Nanos, nanos};
use crate::key::{Key, Value};
use crate::sync::AtomicU64;
use crate::tag::Listing;

/// A value as it is kept. In this order, so that what a hit looks at lies together.
#[repr(C)]
pub(crate) struct Entry<K, V> {
    pub(super) facts: Facts,
    pub(crate) key: K,
    pub(crate) value: V,
    /// Its places in the index of tags, if it has tags. Of no concern to a store, nor to a hit, and so behind all else.
    listing: OnceLock<Box<Listing>>,
}

/// What does not depend on the types of key and value, and so need not be compiled for each.
#[repr(C)]
pub(crate) struct Facts {
    pub(super) hash: u64,
    /// Unique in the process; tells this entry from its successor under the same key.
    pub(super) serial: u64,
    pub(super) weight: u32,
    /// When it is too old, however much it is used.
    expires_at: Nanos,
    /// How long it may lie unused, [`NEVER`] for ever.
    idle_limit: Nanos,
    /// Where the order of eviction has it. Under the lock of the store.
    pub(super) rank: AtomicU64,
    /// Where the order of expiry has it, [`NEVER`] for nowhere. Under the lock of the store.
    pub(super) listed_at: AtomicU64,
    /// When it will have expired if nobody uses it again, [`NEVER`] if time does not end it. Moved on by readers, and not
    /// more often than the idle limit needs.
    deadline: AtomicU64,
    /// Its place in the order of use, by the store that keeps it. Written by readers.
    pub(super) stamp: AtomicU64,
    /// How often the store had been cleared when the entry came in, and [`GONE`] before that and once it has left. What a
    /// reader sees here decides whether it is a hit.
    generation: AtomicU64,
}

/// How exactly the last use of an entry is known, if its idle limit is not shorter than 64 times this.
const USE_GRAIN: Nanos = 1_000_000;

/// The generation of what has left, or has not come in.
const GONE: u64 = u64::MAX;

/// An entry of any types.
pub(crate) trait Kept: Any + Send + Sync {
    fn facts(&self) -> &Facts;
    fn key(&self) -> &dyn Any;
    fn value(&self) -> &dyn Any;

    /// Its places in the index of tags, if it has tags.
    fn listing(&self) -> &OnceLock<Box<Listing>>;
}

impl<K: Key, V: Value> Kept for Entry<K, V> {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn key(&self) -> &dyn Any {
        &self.key
    }

    fn value(&self) -> &dyn Any {
        &self.value
    }

    fn listing(&self) -> &OnceLock<Box<Listing>> {
        &self.listing
    }
}

impl<K, V> Entry<K, V> {
    pub(crate) fn new(hash: u64, key: K, value: V, weight: u32, life: &Life) -> Self {
        // Not the model checker's, which would have to be made anew for each run.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let expires_at = life.ttl.map_or(NEVER, |ttl| life.begins_at.saturating_add(nanos(ttl)));
        let idle_limit = life.tti.map_or(NEVER, nanos);
        let facts = Facts {
            hash,
            weight,
            // Not in any store until it comes in: who finds it by a tag may ask for it to be removed before.
            generation: AtomicU64::new(GONE),
            deadline: AtomicU64::new(expires_at.min(life.begins_at.saturating_add(idle_limit))),
            expires_at,
            idle_limit,
            stamp: AtomicU64::new(0),
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            rank: AtomicU64::new(0),
            listed_at: AtomicU64::new(NEVER),
        };
        Self {
            facts,
            key,
            value,
            listing: OnceLock::new(),
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.facts.hash
    }

    pub(crate) fn weight(&self) -> u32 {
        self.facts.weight
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
        self.deadline() != NEVER
    }

    #[inline]
    pub(super) fn deadline(&self) -> Nanos {
        self.deadline.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn has_expired(&self, clock: &Clock) -> bool {
        let deadline = self.deadline();
        deadline != NEVER && clock.has_reached(deadline)
    }

    /// Whether time has ended the entry; if not, and it is to be used, notes that it does not lie idle.
    pub(super) fn is_over(&self, look: Look, clock: &Clock) -> bool {
        let is_over = self.has_expired(clock);
        if look == Look::Use && !is_over {
            self.touch(clock);
        }
        is_over
    }

    fn touch(&self, clock: &Clock) {
        if self.idle_limit != NEVER {
            let now = if self.idle_limit < 2 * NEAR {
                clock.now()
            } else {
                clock.about_now()
            };
            let grain = USE_GRAIN.min(self.idle_limit / 64).max(1);
            let deadline = self.expires_at.min(now.saturating_add(self.idle_limit));
            if deadline.saturating_sub(self.deadline()) >= grain {
                self.deadline.fetch_max(deadline, Ordering::Relaxed);
            }
        }
    }

    /// Puts it into a store that has been cleared so many times. Before anybody else sees it.
    pub(super) fn come_in(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Whether it is in a store that has been cleared so many times, and has not left.
    #[inline]
    pub(super) fn is_in(&self, generation: u64) -> bool {
        // Acquire: who sees that it has left sees what took its place.
        self.generation.load(Ordering::Acquire) == generation
    }

    /// `true` for the one who says first that it has left the store that has been cleared so many times.
    pub(super) fn leave(&self, generation: u64) -> bool {
        let left = self
            .generation
            .compare_exchange(generation, GONE, Ordering::AcqRel, Ordering::Relaxed);
        left.is_ok()
    }
}
