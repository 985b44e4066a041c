//! What a cache counts, without making its callers meet.
//!
//! A counter that every hit writes stops hits from scaling: its cache line travels from core to core. So each thread
//! counts in a stripe of its own, and reading adds the stripes up. Nobody but its thread writes a stripe, so that counting
//! is a load and a store; a reset therefore does not write zeros but remembers what there was.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stripe::Striped;

/// What there is to count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Hits,
    Misses,
    Loads,
    LoadFailures,
    Coalesced,
    Insertions,
    Evictions,
    Expirations,
    Invalidations,
    Bypassed,
    Stale,
    NegativeHits,
    Refreshes,
    Timeouts,
    Batches,
}

const COUNTS: usize = Count::Batches as usize + 1;

type Counts<T> = [T; COUNTS];

/// The counters of one cache.
pub(crate) struct Counters {
    stripes: Striped<Counts<AtomicU64>>,
    /// The sums at the last reset.
    before: Mutex<Counts<u64>>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            stripes: Striped::new(),
            before: Mutex::new([0; COUNTS]),
        }
    }

    /// Counts, and returns what this thread, or all that share its stripe, have counted of it.
    #[inline]
    pub(crate) fn add(&self, count: Count, by: u64) -> u64 {
        let (stripe, _, is_exclusive) = self.stripes.mine();
        let counter = &stripe[count as usize];
        // Counters order nothing.
        if is_exclusive {
            let counted = counter.load(Ordering::Relaxed) + by;
            counter.store(counted, Ordering::Relaxed);
            counted
        } else {
            counter.fetch_add(by, Ordering::Relaxed) + by
        }
    }

    #[inline]
    pub(crate) fn one(&self, count: Count) -> u64 {
        self.add(count, 1)
    }

    fn sums(&self) -> Counts<u64> {
        let mut sums = [0; COUNTS];
        for stripe in self.stripes.iter() {
            for (sum, counter) in sums.iter_mut().zip(stripe) {
                *sum += counter.load(Ordering::Relaxed);
            }
        }
        sums
    }

    fn before(&self) -> MutexGuard<'_, Counts<u64>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reset(&self) {
        let mut before = self.before();
        *before = self.sums();
    }

    pub(crate) fn read(&self, len: u64) -> Stats {
        let before = self.before();
        let sums = self.sums();
        let of = |count: Count| sums[count as usize] - before[count as usize];
        Stats {
            hits: of(Count::Hits),
            misses: of(Count::Misses),
            loads: of(Count::Loads),
            load_failures: of(Count::LoadFailures),
            coalesced: of(Count::Coalesced),
            insertions: of(Count::Insertions),
            evictions: of(Count::Evictions),
            expirations: of(Count::Expirations),
            invalidations: of(Count::Invalidations),
            bypassed: of(Count::Bypassed),
            stale: of(Count::Stale),
            negative_hits: of(Count::NegativeHits),
            refreshes: of(Count::Refreshes),
            timeouts: of(Count::Timeouts),
            batches: of(Count::Batches),
            len,
        }
    }
}

/// What happened to a cache since it was made or its statistics were reset.
///
/// The counters are read one after the other while others go on counting, so that sums of them may be off by what
/// happened meanwhile.
///
/// # Example: the hit rate
/// ```
/// use cache_core::Cache;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache: Cache<u64, String> = Cache::builder().max_size(10).build();
/// cache.get_or_load(1, || async { "one".to_owned() }).await;
/// cache.get_or_load(1, || async { "one".to_owned() }).await;
/// let stats = cache.stats();
/// assert_eq!((stats.hits, stats.misses, stats.loads, stats.len), (1, 1, 1, 1));
/// assert_eq!(stats.hit_rate(), 0.5);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that found none, those that then shared another caller's load included.
    pub misses: u64,
    /// Loads that were started.
    pub loads: u64,
    /// Loads that ended with an error or a panic, or whose caller went away.
    pub load_failures: u64,
    /// Callers that took the outcome of another caller's load.
    pub coalesced: u64,
    /// Values that were stored, by a load or by hand.
    pub insertions: u64,
    /// Entries that had to go because the cache was full.
    pub evictions: u64,
    /// Entries that went because they were too old or too long unused.
    pub expirations: u64,
    /// Entries that an invalidation, a mutation or a clear removed.
    pub invalidations: u64,
    /// Calls of a function that is cached by session, outside of any: they ran uncached. And what a test did with the cache off.
    pub bypassed: u64,
    /// Callers that got a value past its TTL: at once, which is a hit too, or because a load failed or took too long. And hits of a
    /// value whose revision had changed, or could not be read.
    pub stale: u64,
    /// Lookups that found a failure which was kept. They are neither hits nor misses.
    pub negative_hits: u64,
    /// Loads that were started in the background, while there was a value to serve.
    pub refreshes: u64,
    /// Callers that did not wait for the end of a load, because it took too long.
    pub timeouts: u64,
    /// Calls of what loads many keys at once. Each of their keys is one of the [`loads`](Self::loads).
    pub batches: u64,
    /// Entries in the cache now.
    pub len: u64,
}

impl Stats {
    /// Hits as a share of all lookups, between 0 and 1; 0 before the first lookup. Who shared another caller's load did
    /// not hit: [`coalesced`](Self::coalesced) counts those.
    ///
    /// # Example: nothing asked, nothing hit
    /// ```
    /// assert_eq!(cache_core::Stats::default().hit_rate(), 0.0);
    /// ```
    // Counters beyond 2^52 may lose their last digits, which a rate does not show.
    #[expect(clippy::cast_precision_loss)]
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            lookups => self.hits as f64 / lookups as f64,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hits {}, misses {} (hit rate {:.1} %), coalesced {}, loads {} (failed {}), entries {}, inserted {}, evicted {}, \
             expired {}, invalidated {}",
            self.hits,
            self.misses,
            self.hit_rate() * 100.0,
            self.coalesced,
            self.loads,
            self.load_failures,
            self.len,
            self.insertions,
            self.evictions,
            self.expirations,
            self.invalidations,
        )?;
        // Of no meaning to most caches.
        let others = [
            ("bypassed", self.bypassed),
            ("stale", self.stale),
            ("negative hits", self.negative_hits),
            ("refreshes", self.refreshes),
            ("timeouts", self.timeouts),
            ("batches", self.batches),
        ];
        for (name, count) in others {
            if count > 0 {
                write!(f, ", {name} {count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More threads than there are stripes, so that some share one.
    #[test]
    fn nothing_is_lost_whoever_counts_and_whoever_resets() {
        let counters = Counters::new();
        counters.add(Count::Hits, 7);
        counters.reset();
        assert_eq!(counters.read(0).hits, 0);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        counters.one(Count::Hits);
                    }
                });
            }
        });
        assert_eq!(counters.read(0).hits, 100_000);
    }
}
