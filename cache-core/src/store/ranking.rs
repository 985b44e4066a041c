//! Entries in an order: of their last use, or of the time at which they expire.
//!
//! Each is listed once, under the rank it had then. A reader may move the true rank on, but does not touch the order: the
//! place says when to look next, and who looks finds out that it is too early and lists the entry again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Facts, Kept};
use crate::sync::AtomicU64;

/// By rank, and by serial where ranks are equal.
pub(super) struct Ranking {
    listed: BTreeMap<(u64, u64), Arc<dyn Kept>>,
    /// Where an entry notes under which rank it is listed.
    noted: fn(&Facts) -> &AtomicU64,
}

impl Ranking {
    pub(super) const fn new(noted: fn(&Facts) -> &AtomicU64) -> Self {
        Self {
            listed: BTreeMap::new(),
            noted,
        }
    }

    /// Lists an entry that is not listed.
    pub(super) fn list(&mut self, rank: u64, entry: Arc<dyn Kept>) {
        let facts = entry.facts();
        (self.noted)(facts).store(rank, Ordering::Relaxed);
        let serial = facts.serial;
        self.listed.insert((rank, serial), entry);
    }

    /// Strikes an entry off, if it is listed.
    pub(super) fn strike(&mut self, facts: &Facts) -> Option<Arc<dyn Kept>> {
        let rank = (self.noted)(facts).load(Ordering::Relaxed);
        self.listed.remove(&(rank, facts.serial))
    }

    /// All that are listed.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<dyn Kept>> {
        self.listed.values()
    }

    /// Their hashes.
    pub(super) fn hashes(&self) -> Vec<u64> {
        self.entries().map(|entry| entry.facts().hash).collect()
    }

    /// The lowest rank, and the entry that has it.
    pub(super) fn first(&self) -> Option<(u64, &Arc<dyn Kept>)> {
        self.listed.first_key_value().map(|(&(rank, _), entry)| (rank, entry))
    }

    /// Strikes off and returns the entry of the lowest rank.
    pub(super) fn pop(&mut self) -> Option<Arc<dyn Kept>> {
        self.listed.pop_first().map(|(_, entry)| entry)
    }
}
