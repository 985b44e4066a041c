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
    /// When a reader has to look more closely, because it may be over or have to be refreshed; [`NEVER`] if time does
    /// nothing to it.
    check_at: AtomicU64,
    /// What time does to it, if that is more than to end it at [`check_at`](Self::check_at).
    terms: Option<Box<Terms>>,
    /// Where the order of eviction has it. Under the lock of the store.
    pub(super) rank: AtomicU64,
    /// Where the order of expiry has it, [`NEVER`] for nowhere. Under the lock of the store.
    pub(super) listed_at: AtomicU64,
    /// Its place in the order of use, by the store that keeps it. Written by readers.
    pub(super) stamp: AtomicU64,
    /// How often the store had been cleared when the entry came in, and [`GONE`] before that and once it has left. What a
    /// reader sees here decides whether it is a hit.
    generation: AtomicU64,
}

/// What time does to an entry that does not just end at one moment.
struct Terms {
    /// How long it may lie unused, [`NEVER`] for ever.
    idle_limit: Nanos,
    /// When it is over, however much it is used.
    ends_at: Nanos,
    /// When it is over if nobody uses it again. Moved on by readers, and not more often than the idle limit needs.
    deadline: AtomicU64,
    /// When it becomes stale.
    fresh_until: Nanos,
    /// Until when it is served stale while somebody brings a new value. After that it is only if that fails.
    revalidates_until: Nanos,
    /// From when on a hit has to have it refreshed; [`NEVER`] while somebody is at that.
    refresh_at: AtomicU64,
    /// A load has failed, and until then none is tried.
    retry_at: AtomicU64,
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
        let (check_at, terms) = life.terms();
        let facts = Facts {
            hash,
            weight,
            // Not in any store until it comes in: who finds it by a tag may ask for it to be removed before.
            generation: AtomicU64::new(GONE),
            check_at: AtomicU64::new(check_at),
            terms,
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

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
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

/// When an entry begins to live, and what becomes of it.
pub(crate) struct Life {
    pub(crate) begins_at: Nanos,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tti: Option<Duration>,
    pub(crate) staleness: Option<Staleness>,
}

/// What becomes of an entry around the end of its TTL.
pub(crate) struct Staleness {
    /// At which age it is refreshed while it is fresh.
    pub(crate) refreshes_at: Option<Nanos>,
    /// For how long after its TTL it is served while somebody brings a new value.
    pub(crate) revalidates: Nanos,
    /// For how long after its TTL it is kept at all.
    pub(crate) survives: Nanos,
}

impl Life {
    fn terms(&self) -> (Nanos, Option<Box<Terms>>) {
        let after = |age: Nanos| self.begins_at.saturating_add(age);
        let fresh_until = self.ttl.map_or(NEVER, |ttl| after(nanos(ttl)));
        if self.tti.is_none() && self.staleness.is_none() {
            return (fresh_until, None);
        }
        let stale = |length: fn(&Staleness) -> Nanos| {
            let length = self.staleness.as_ref().map_or(0, length);
            fresh_until.saturating_add(length)
        };
        let ends_at = stale(|it| it.survives);
        let idle_limit = self.tti.map_or(NEVER, nanos);
        let refresh_at = match self.staleness.as_ref().and_then(|it| it.refreshes_at) {
            Some(age) => after(age).min(fresh_until),
            None => fresh_until,
        };
        let terms = Terms {
            idle_limit,
            ends_at,
            deadline: AtomicU64::new(ends_at.min(after(idle_limit))),
            fresh_until,
            revalidates_until: stale(|it| it.revalidates),
            refresh_at: AtomicU64::new(refresh_at),
            retry_at: AtomicU64::new(0),
        };
        (terms.check_at(), Some(Box::new(terms)))
    }
}

/// What an entry is good for at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is served.
    Fresh,
    /// It is served, and whoever sees it may have it [refreshed](Facts::claim).
    Ripe,
    /// Past its TTL, it is served, because somebody is bringing a new value, or has failed to just now.
    Stale,
    /// Past its TTL, it is served, and whoever sees it may have it [refreshed](Facts::claim).
    Due,
    /// It is served only if a load fails or takes too long.
    Spent,
    /// It is of no use any more.
    Over,
}

impl Standing {
    /// Whether its TTL is not over.
    pub(crate) fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh | Self::Ripe)
    }
}

impl Terms {
    fn check_at(&self) -> Nanos {
        let refresh_at = self.refresh_at.load(Ordering::Relaxed);
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline.min(self.fresh_until).min(refresh_at)
    }

    fn standing(&self, now: Nanos) -> Standing {
        let retry_at = self.retry_at.load(Ordering::Relaxed);
        if now >= self.deadline.load(Ordering::Relaxed) {
            Standing::Over
        } else if now >= self.fresh_until.max(self.revalidates_until) {
            if now < retry_at {
                Standing::Stale
            } else {
                Standing::Spent
            }
        } else {
            let to_be_refreshed = now >= retry_at.max(self.refresh_at.load(Ordering::Relaxed));
            match (now >= self.fresh_until, to_be_refreshed) {
                (false, false) => Standing::Fresh,
                (false, true) => Standing::Ripe,
                (true, false) => Standing::Stale,
                (true, true) => Standing::Due,
            }
        }
    }
}

impl Facts {
    /// Whether time can end it.
    #[inline]
    pub(super) fn is_mortal(&self) -> bool {
        self.check_at.load(Ordering::Relaxed) != NEVER
    }

    /// When it is over if nobody uses it again, [`NEVER`] if time does not end it.
    #[inline]
    pub(super) fn deadline(&self) -> Nanos {
        match &self.terms {
            None => self.check_at.load(Ordering::Relaxed),
            Some(terms) => terms.deadline.load(Ordering::Relaxed),
        }
    }

    #[inline]
    pub(super) fn has_expired(&self, clock: &Clock) -> bool {
        let deadline = self.deadline();
        deadline != NEVER && clock.has_reached(deadline)
    }

    /// What it is good for; if it is to be used, notes that it does not lie idle. For who knows that time can end it.
    #[inline]
    pub(super) fn look(&self, look: Look, clock: &Clock) -> Standing {
        if !clock.has_reached(self.check_at.load(Ordering::Relaxed)) {
            if self.terms.is_some() && look == Look::Use {
                self.touch(clock);
            }
            return Standing::Fresh;
        }
        self.look_closely(look, clock)
    }

    #[cold]
    fn look_closely(&self, look: Look, clock: &Clock) -> Standing {
        let Some(terms) = &self.terms else {
            return Standing::Over;
        };
        let standing = terms.standing(clock.now());
        if standing == Standing::Fresh {
            self.check_again(terms);
        }
        if look == Look::Use && standing != Standing::Over {
            self.touch(clock);
        }
        standing
    }

    fn touch(&self, clock: &Clock) {
        if let Some(terms) = &self.terms
            && terms.idle_limit != NEVER
        {
            let now = if terms.idle_limit < 2 * NEAR {
                clock.now()
            } else {
                clock.about_now()
            };
            let grain = USE_GRAIN.min(terms.idle_limit / 64).max(1);
            let deadline = terms.ends_at.min(now.saturating_add(terms.idle_limit));
            if deadline.saturating_sub(terms.deadline.load(Ordering::Relaxed)) >= grain {
                terms.deadline.fetch_max(deadline, Ordering::Relaxed);
                self.check_again(terms);
            }
        }
    }

    /// Notes when a reader has to look more closely next. Two that do so at once may leave a moment that has passed or is
    /// too near, which costs somebody a look; or miss a refresh by what the other knew less, up to the end of the TTL.
    fn check_again(&self, terms: &Terms) {
        self.check_at.store(terms.check_at(), Ordering::Relaxed);
    }

    /// Whether its TTL is not over.
    pub(crate) fn is_fresh(&self, clock: &Clock) -> bool {
        match &self.terms {
            None => !self.has_expired(clock),
            Some(terms) => terms.standing(clock.now()).is_fresh(),
        }
    }

    /// Takes it on oneself to bring a new value. `false` if somebody else was quicker.
    pub(crate) fn claim(&self) -> bool {
        let Some(terms) = &self.terms else { return false };
        let refresh_at = terms.refresh_at.load(Ordering::Relaxed);
        let claimed = refresh_at != NEVER
            && terms
                .refresh_at
                .compare_exchange(refresh_at, NEVER, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if claimed {
            self.check_again(terms);
        }
        claimed
    }

    /// Gives that up: from `at` on somebody else may try.
    pub(crate) fn release(&self, at: Nanos) {
        if let Some(terms) = &self.terms {
            terms.refresh_at.store(at, Ordering::Relaxed);
            self.check_again(terms);
        }
    }

    /// A load has failed: none is to be tried until `at`.
    pub(crate) fn postpone(&self, at: Nanos) {
        if let Some(terms) = &self.terms {
            terms.retry_at.fetch_max(at, Ordering::Relaxed);
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
