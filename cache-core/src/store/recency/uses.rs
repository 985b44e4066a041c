//! The order of uses, noted by readers without meeting each other.
//!
//! Every use could draw a number from one counter, but then every hit would write the line that every other hit writes.
//! What is kept instead is exact where that costs nothing, and close where it would cost something:
//!
//! - **One thread** uses the cache between two insertions: exact. Each thread counts for itself, and an entry's stamp is
//!   that count.
//! - **Several threads** do: what one of them has to itself is in order; the counts of two threads may be off by a
//!   [`window`](Striped::window), a sixteenth of the capacity, and by more where a thread loses its core half way. Where
//!   two meet on one entry within an *epoch* (a sixty-fourth of the capacity in insertions, or less if much is shared), the
//!   second marks it as shared and used to the end of the epoch, and then nobody writes to it until the epoch is over. So
//!   entries that all cores ask for are read and not written.
//! - **Small caches**, where a window would be seen, do draw numbers, unless the entry was the last one used anyway.
//!
//! A stamp is, from the high bits to the low: the epoch (42), the count within it (16), the owner (6). Comparing stamps
//! compares times. A count that runs over runs into the next epoch, which is what it should do. All is relaxed: a stamp
//! decides what is evicted first and nothing else. The epochs last for more than a year of a million insertions a second;
//! a process that lives longer loses the order, and nothing else.

use std::sync::atomic::Ordering;

use super::super::Bound;
use crate::stripe::{Line, Striped as Stripes};
use crate::sync::AtomicU64;

/// Up to this capacity each use is numbered.
const SMALL: u64 = 64;

const OWNER: u64 = (1 << 6) - 1;
/// The owner of what two threads have used in one epoch; no stripe has this index.
const SHARED: u64 = OWNER;
const STEP: u64 = OWNER + 1;
const EPOCH: u64 = STEP << 16;

#[expect(
    clippy::large_enum_variant,
    reason = "one for each store, and a hit finds it in one step"
)]
pub(super) enum Uses {
    /// Nothing is ever evicted, so nobody asks.
    Unordered,
    Numbered(Line<AtomicU64>),
    Striped(Striped),
}

pub(super) struct Striped {
    /// No thread's count is ahead of this by more than the window.
    now: Line<AtomicU64>,
    counts: Stripes<AtomicU64>,
    window: u64,
    /// Insertions in an epoch.
    epoch: u64,
    inserted: AtomicU64,
    /// How many were marked as shared in this epoch, and how many may be before an insertion ends it.
    shared: Line<AtomicU64>,
    most_shared: u64,
    /// How many calls of [`Uses::age`] end an epoch.
    ages: u64,
    aged: AtomicU64,
}

impl Uses {
    pub(super) fn new(bound: Bound) -> Self {
        match bound {
            Bound::Unbounded => Self::Unordered,
            Bound::Entries(most) if most <= SMALL => Self::Numbered(Line::default()),
            Bound::Entries(most) => Self::Striped(Striped::new(most)),
            // How many entries that will be is not known. It may be few.
            Bound::Weight(_) => Self::Striped(Striped::new(SMALL)),
        }
    }

    /// Notes that an entry is used now.
    #[inline]
    pub(super) fn note(&self, stamp: &AtomicU64) {
        match self {
            Self::Unordered => {}
            Self::Numbered(last) => number(&last.0, stamp),
            Self::Striped(uses) => uses.note(stamp),
        }
    }

    /// The stamp of an entry that comes in now: later than all there are.
    pub(super) fn newest(&self) -> u64 {
        match self {
            Self::Unordered => 0,
            Self::Numbered(last) => next(&last.0, 1),
            Self::Striped(uses) => uses.newest(),
        }
    }

    /// To be called now and then by who only hits: what was shared long ago must not count as used now.
    #[cold]
    pub(super) fn age(&self) {
        if let Self::Striped(uses) = self
            && uses.aged.fetch_add(1, Ordering::Relaxed) % uses.ages == uses.ages - 1
        {
            uses.end_epoch();
        }
    }
}

/// Numbers a use, unless it is one of what was used last.
#[inline(never)]
fn number(last: &AtomicU64, stamp: &AtomicU64) {
    if stamp.load(Ordering::Relaxed) != last.load(Ordering::Relaxed) {
        stamp.fetch_max(next(last, 1), Ordering::Relaxed);
    }
}

/// Draws a number that nobody has had.
fn next(last: &AtomicU64, by: u64) -> u64 {
    last.fetch_add(by, Ordering::Relaxed).wrapping_add(by)
}

impl Striped {
    fn new(capacity: u64) -> Self {
        Self {
            now: Line(AtomicU64::new(EPOCH)),
            counts: Stripes::new(),
            window: (capacity / 16).clamp(1, 1024) * STEP,
            epoch: (capacity / 64).max(8),
            inserted: AtomicU64::new(0),
            shared: Line::default(),
            most_shared: if capacity <= 256 { 0 } else { capacity / 4 },
            ages: (capacity / 1024).max(1),
            aged: AtomicU64::new(0),
        }
    }

    #[inline]
    fn note(&self, stamp: &AtomicU64) {
        let (count, index, _) = self.counts.mine();
        let me = index as u64;
        let now = self.now.0.load(Ordering::Relaxed);
        let last = stamp.load(Ordering::Relaxed);
        let owner = last & OWNER;
        if owner != me && last / EPOCH >= now / EPOCH {
            if owner != SHARED {
                stamp.store(last | (EPOCH - 1), Ordering::Relaxed);
                self.shared.0.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        // Threads without a stripe of their own write the same count; they lose some order, and nothing else.
        let mine = (count.load(Ordering::Relaxed).max(now) & !OWNER).saturating_add(STEP);
        count.store(mine, Ordering::Relaxed);
        stamp.store(mine | me, Ordering::Relaxed);
        if mine - (now & !OWNER) > self.window {
            self.now.0.fetch_max(mine, Ordering::Relaxed);
        }
    }

    fn newest(&self) -> u64 {
        // What is shared counts as used at the end of the epoch, which is later than now. Were that so of too many, the
        // newcomer would be the one to go.
        let is_last = self.inserted.fetch_add(1, Ordering::Relaxed) % self.epoch == self.epoch - 1;
        if is_last || self.shared.0.load(Ordering::Relaxed) > self.most_shared {
            self.end_epoch();
        }
        // Past the window, and so past every count.
        let (_, index, _) = self.counts.mine();
        (next(&self.now.0, self.window + STEP) & !OWNER) | index as u64
    }

    fn end_epoch(&self) {
        self.shared.0.store(0, Ordering::Relaxed);
        let now = self.now.0.load(Ordering::Relaxed);
        // Past the window: a count may be in the next epoch already.
        let next = (now.saturating_add(self.window) / EPOCH)
            .saturating_add(1)
            .saturating_mul(EPOCH);
        self.now.0.fetch_max(next, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(cache_core_model)))]
mod tests {
    use super::*;

    fn stamps(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    fn rank(stamp: &AtomicU64) -> u64 {
        stamp.load(Ordering::Relaxed)
    }

    #[test]
    fn uses_of_one_thread_are_in_order() {
        for capacity in [1, 64, 65, 1_000, 1_000_000] {
            let uses = Uses::new(Bound::Entries(capacity));
            let stamps = stamps(10);
            let mut latest = 0;
            for turn in 0..300_000_usize {
                let stamp = &stamps[turn * turn % 7];
                if turn % 11 == 0 {
                    stamp.store(uses.newest(), Ordering::Relaxed);
                } else {
                    let before = rank(stamp);
                    uses.note(stamp);
                    // Numbered uses leave alone what was used last.
                    assert!(rank(stamp) > before || before == latest, "{capacity}, {turn}");
                }
                assert!(rank(stamp) >= latest, "{capacity}, {turn}");
                latest = rank(stamp);
            }
        }
    }

    /// What two threads use is written once or twice in an epoch, and counts as used until its end.
    #[test]
    fn what_is_shared_is_written_once() {
        let uses = Uses::new(Bound::Entries(1_000));
        let stamp = AtomicU64::new(uses.newest());
        uses.note(&stamp);
        let mine = Stripes::<()>::new().mine().1;
        let other = || {
            // Not one that has to share this thread's stripe, because other tests have all the others.
            let is_other = Stripes::<()>::new().mine().1 != mine;
            if is_other {
                uses.note(&stamp);
            }
            is_other
        };
        while !std::thread::scope(|scope| scope.spawn(other).join().is_ok_and(|is_other| is_other)) {}
        let shared = rank(&stamp);
        for _ in 0..1_000 {
            uses.note(&stamp);
        }
        assert_eq!(rank(&stamp), shared);
        let alone = AtomicU64::new(0);
        uses.note(&alone);
        assert!(rank(&alone) < shared, "shared until the end of the epoch");
        uses.age();
        uses.note(&alone);
        assert!(rank(&alone) > shared, "which has come");
    }

    /// However much another thread has counted, who comes in now is the latest.
    #[test]
    fn an_insertion_is_later_than_the_uses_of_all_threads() {
        let uses = Uses::new(Bound::Entries(1_000));
        let stamps = stamps(100);
        std::thread::scope(|scope| {
            for part in stamps.chunks(25) {
                let uses = &uses;
                scope.spawn(move || (0..100_000).for_each(|turn| uses.note(&part[turn % 25])));
            }
        });
        let newest = uses.newest();
        assert!(stamps.iter().all(|stamp| rank(stamp) < newest));
    }
}
