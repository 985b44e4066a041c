//! What a cache knows of revisions beside its values: the rule, the order of loads, and what failed where nobody saw it.
//!
//! # Which load knows enough
//!
//! Revisions can be compared, but not ordered: of two that differ nobody knows which is newer. So it is counted how many loads
//! have begun. A call that has read its revision looks at that number *afterwards*, and a load takes the next number *before* it
//! reads any data. A load whose number is higher than the one a call has seen began after that call had read its revision,
//! so that its data is at least as new, whatever revision it is kept under. Any other load is good for the call only if it
//! was made for the very same revision.
//!
//! The number is read and raised with sequential consistency: a call that does not see the number of a load read its revision
//! before that load read its data. It says nothing in another cache, into which a value may be put by hand.

use std::sync::atomic::{self, Ordering};
use std::time::Duration;

use super::OnChange;
use super::failure::Failures;
use crate::clock::{Nanos, nanos};
use crate::sync::AtomicU64;

/// For how long an outdated value serves unless said otherwise.
const MAX_STALE: Duration = Duration::from_secs(60);

/// How exactly it is known when a value was last up to date.
const GRAIN: Nanos = 100_000_000;

/// What a cache does when a revision has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) on_change: OnChange,
    pub(crate) max_stale: Duration,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            on_change: OnChange::default(),
            max_stale: MAX_STALE,
        }
    }
}

/// The number of a load, or how many have begun, in one cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    cache: u64,
    loads: u64,
}

impl Number {
    /// Whether it is that of a load which began after so many others had.
    pub(crate) fn is_after(self, others: Self) -> bool {
        self.cache == others.cache && self.loads > others.loads
    }
}

pub(crate) struct Gate {
    /// Names the cache.
    cache: u64,
    on_change: OnChange,
    max_stale: Nanos,
    /// Loads that have begun.
    loads: AtomicU64,
    pub(crate) failures: Failures,
}

impl Gate {
    pub(crate) fn new(rule: Rule) -> Self {
        static NEXT: atomic::AtomicU64 = atomic::AtomicU64::new(0);
        Self {
            // Only uniqueness matters, so no ordering does.
            cache: NEXT.fetch_add(1, Ordering::Relaxed),
            on_change: rule.on_change,
            max_stale: nanos(rule.max_stale),
            loads: AtomicU64::new(0),
            failures: Failures::default(),
        }
    }

    /// How many loads have begun, for a call that has read its revision.
    pub(crate) fn loads(&self) -> Number {
        self.number(self.loads.load(Ordering::SeqCst))
    }

    /// The number of a load that is about to begin.
    pub(crate) fn begin(&self) -> Number {
        self.number(self.loads.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn number(&self, loads: u64) -> Number {
        Number {
            cache: self.cache,
            loads,
        }
    }

    /// Whether an outdated value is served while a new one is brought.
    pub(crate) fn serves_stale(&self) -> bool {
        self.on_change == OnChange::Stale
    }

    /// Whether a value that may not have been up to date for so long is too old.
    pub(crate) fn is_too_stale(&self, staleness: Nanos) -> bool {
        staleness >= self.max_stale
    }

    /// How exactly it has to be known when a value was last up to date.
    pub(crate) fn grain(&self) -> Nanos {
        GRAIN.min(self.max_stale / 64)
    }
}
