//! Who is in the store, in which order they go, and how much they weigh. All behind one lock, which readers never take.
//!
//! It knows entries of any types by their facts, so it is compiled once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::entry::{Facts, Kept};
use super::super::ranking::Ranking;
use super::super::{Bound, Cleared, Due, Journal, Remains};
use crate::clock::{Clock, NEVER, Nanos};

/// How many entries one eviction looks at, at most, that were used since they were listed. More than there are in caches
/// whose order is to be exact.
const LOOKS: usize = 80;

/// How many dead entries may wait in the index before they are swept out, in small caches and in large ones.
const FEW_DEAD: u64 = 8;
const MANY_DEAD: u64 = 64;

pub(super) struct Ledger {
    bound: Bound,
    /// By stamp; nobody is listed if nobody can be evicted.
    by_use: Ranking,
    by_deadline: Ranking,
    /// How often the store has been cleared.
    generation: u64,
    count: u64,
    weight: u64,
    pub(super) evictions: u64,
    /// Hashes under which the index has someone dead.
    dead: Vec<u64>,
    dead_weight: u64,
    has_long_chain: bool,
    has_strays: bool,
}

impl Ledger {
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            bound,
            by_use: Ranking::new(|facts| &facts.rank),
            by_deadline: Ranking::new(|facts| &facts.listed_at),
            generation: 0,
            count: 0,
            weight: 0,
            evictions: 0,
            dead: Vec::new(),
            dead_weight: 0,
            has_long_chain: false,
            has_strays: false,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Enters an entry, whose stamp is the newest.
    pub(super) fn enter(&mut self, entry: &Arc<dyn Kept>) {
        let facts = entry.facts();
        self.count += 1;
        self.weight += u64::from(facts.weight);
        if self.bound != Bound::Unbounded {
            self.by_use.list(facts.stamp.load(Ordering::Relaxed), Arc::clone(entry));
        }
        self.list_deadline(entry);
    }

    fn list_deadline(&mut self, entry: &Arc<dyn Kept>) {
        let deadline = entry.facts().deadline();
        if deadline != NEVER {
            self.by_deadline.list(deadline, Arc::clone(entry));
        }
    }

    /// Strikes an entry off and makes it dead to readers. `false` if it was that before.
    pub(super) fn leave(&mut self, facts: &Facts) -> bool {
        // Its references here are never the last: the index has one until the dead are swept out.
        if !facts.leave(self.generation) {
            return false;
        }
        self.by_use.strike(facts);
        self.by_deadline.strike(facts);
        self.count -= 1;
        self.weight -= u64::from(facts.weight);
        self.dead.push(facts.hash);
        self.dead_weight += u64::from(facts.weight);
        true
    }

    /// All who are in, unless nobody can be evicted.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Arc<dyn Kept>> {
        self.by_use.entries()
    }

    /// Lets go whoever has to, for the bounds to hold.
    pub(super) fn evict(&mut self, journal: &dyn Journal) {
        while self.is_over() {
            let Some(victim) = self.least_recent() else { return };
            self.leave(victim.facts());
            self.evictions += 1;
            if journal.is_open() {
                journal.evicted(&victim);
            }
        }
    }

    fn is_over(&self) -> bool {
        match self.bound {
            Bound::Entries(most) => self.count > most,
            Bound::Weight(most) => self.weight > most,
            Bound::Unbounded => false,
        }
    }

    /// The entry that was used least recently, exactly unless more than [`LOOKS`] in a row were used since they were
    /// listed; of those, and the next, it is the least recent then.
    fn least_recent(&mut self) -> Option<Arc<dyn Kept>> {
        let used_at = |entry: &Arc<dyn Kept>| entry.facts().stamp.load(Ordering::Relaxed);
        let mut best: Option<Arc<dyn Kept>> = None;
        for _ in 0..LOOKS {
            let (listed, first) = self.by_use.first()?;
            let used = used_at(first);
            if used <= listed {
                // All others are listed later, and were used later still.
                return Some(Arc::clone(first));
            }
            let first = self.by_use.pop()?;
            if best.as_ref().is_none_or(|best| used < used_at(best)) {
                best = Some(Arc::clone(&first));
            }
            self.by_use.list(used, first);
        }
        best
    }

    /// Forgets everybody who is in: they are of a generation that has passed.
    pub(super) fn clear(&mut self) -> Cleared {
        let fresh = Self::new(self.bound);
        self.generation += 1;
        self.weight = 0;
        Cleared {
            count: std::mem::take(&mut self.count),
            remains: Remains::Struck {
                by_use: std::mem::replace(&mut self.by_use, fresh.by_use),
                _by_deadline: std::mem::replace(&mut self.by_deadline, fresh.by_deadline),
            },
        }
    }

    /// Strikes off and returns those whose time may have come.
    pub(super) fn due(&mut self, now: Nanos, limit: usize) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < limit && self.next_deadline().is_some_and(|next| next <= now) {
            due.extend(self.by_deadline.pop().map(Due));
        }
        due
    }

    /// Follows up on one of them: `true` if it left because it has expired.
    pub(super) fn expire(&mut self, due: &Due, clock: &Clock) -> bool {
        let facts = due.0.facts();
        if !facts.is_in(self.generation) {
            return false;
        }
        if !facts.has_expired(clock) {
            self.list_deadline(&due.0);
            return false;
        }
        self.leave(facts)
    }

    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        self.by_deadline.first().map(|(deadline, _)| deadline)
    }

    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Says that the chain of someone dead is so long that readers notice.
    pub(super) fn note_long_chain(&mut self) {
        self.has_long_chain = true;
    }

    /// Whether the dead should be swept out now: there are many for the size of the cache, or they are heavy.
    pub(super) fn is_to_be_swept(&self) -> bool {
        let (many, heavy) = match self.bound {
            Bound::Entries(most) => (most / 8, u64::MAX),
            Bound::Weight(most) => (MANY_DEAD, most / 8),
            Bound::Unbounded => (MANY_DEAD, u64::MAX),
        };
        let many = many.clamp(FEW_DEAD, MANY_DEAD);
        self.dead.len() as u64 >= many || self.dead_weight > heavy || (self.has_long_chain && self.has_dead())
    }

    /// Says that there are dead whose hashes nobody knows.
    pub(super) fn note_strays(&mut self) {
        self.has_strays = true;
    }

    pub(super) fn has_dead(&self) -> bool {
        !self.dead.is_empty() || self.has_strays
    }

    /// Their hashes, for a sweep, and whether there are others.
    pub(super) fn take_dead(&mut self) -> (Vec<u64>, bool) {
        self.dead_weight = 0;
        self.has_long_chain = false;
        (std::mem::take(&mut self.dead), std::mem::take(&mut self.has_strays))
    }
}
