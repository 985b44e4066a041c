//! What a store counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// What there is to count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Fresh,
    Replayed,
    Conflicts,
    Waits,
    InProgress,
    Abandoned,
    Undeduplicated,
    Unsettled,
}

const COUNTS: usize = Count::Unsettled as usize + 1;

/// The counters of a store, or of a function.
#[doc(hidden)]
#[derive(Debug)]
pub struct Counters([AtomicU64; COUNTS]);

impl Counters {
    /// All zero.
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; COUNTS])
    }

    pub(crate) fn one(&self, count: Count) {
        // Counters order nothing.
        self.0[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn stats(&self) -> ReplayStats {
        let of = |count: Count| self.0[count as usize].load(Ordering::Relaxed);
        ReplayStats {
            fresh: of(Count::Fresh),
            replayed: of(Count::Replayed),
            conflicts: of(Count::Conflicts),
            waits: of(Count::Waits),
            in_progress: of(Count::InProgress),
            abandoned: of(Count::Abandoned),
            undeduplicated: of(Count::Undeduplicated),
            unsettled: of(Count::Unsettled),
        }
    }
}

/// What came of the calls through a store of this process, or of one function.
///
/// # Example: how much was replayed
/// ```
/// use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
///
/// let stats = IdempotencyStore::new(MemoryBackend::new()).stats();
/// assert_eq!((stats.fresh, stats.replayed), (0, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplayStats {
    /// Handlers that ran under a key, whatever came of it.
    pub fresh: u64,
    /// Calls of requests that have run: they got the stored reply, or [`NoReply`](super::IdempotencyError::NoReply).
    pub replayed: u64,
    /// Calls refused because their key was used with another payload.
    pub conflicts: u64,
    /// Calls that waited for another one with their key.
    pub waits: u64,
    /// Those of them that were told to try again.
    pub in_progress: u64,
    /// Calls that met a record whose worker had died: it ran again, or they were refused.
    pub abandoned: u64,
    /// Calls without a key, which simply ran.
    pub undeduplicated: u64,
    /// Handlers that ran, and whose reply could not be stored: the store failed, or another worker had taken over.
    pub unsettled: u64,
}
