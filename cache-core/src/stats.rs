//! What a cache counts, without making its callers meet.
//!
//! A counter that every hit writes stops hits from scaling: its cache line travels from core to core. So each
//! counter exists once per stripe, each thread writes to its own stripe, and reading adds them up.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Stripes of the counters; threads beyond that share.
const STRIPES: usize = 16;

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
}

const COUNTS: usize = Count::Invalidations as usize + 1;

/// Two cache lines, so that neighbouring stripes are not fetched together.
#[derive(Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; COUNTS]);

/// The counters of one cache.
#[derive(Default)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
}

impl Counters {
    pub(crate) fn add(&self, count: Count, by: u64) {
        if by > 0 {
            // Counters order nothing.
            self.stripes[stripe()].0[count as usize].fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(crate) fn one(&self, count: Count) {
        self.stripes[stripe()].0[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, count: Count) -> u64 {
        self.stripes
            .iter()
            .map(|stripe| stripe.0[count as usize].load(Ordering::Relaxed))
            .sum()
    }

    pub(crate) fn reset(&self) {
        for counter in self.stripes.iter().flat_map(|stripe| &stripe.0) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self, len: u64) -> Stats {
        Stats {
            hits: self.sum(Count::Hits),
            misses: self.sum(Count::Misses),
            loads: self.sum(Count::Loads),
            load_failures: self.sum(Count::LoadFailures),
            coalesced: self.sum(Count::Coalesced),
            insertions: self.sum(Count::Insertions),
            evictions: self.sum(Count::Evictions),
            expirations: self.sum(Count::Expirations),
            invalidations: self.sum(Count::Invalidations),
            len,
        }
    }
}

/// The stripe of this thread: dealt out in turn, so that few threads never share.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    // While a thread is being torn down its locals may be gone; any stripe will do.
    MINE.try_with(|mine| *mine).unwrap_or(0)
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
        )
    }
}
