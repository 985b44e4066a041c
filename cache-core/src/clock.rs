//! Time, as caches measure it: nanoseconds since the clock was made, real or set by hand.
//!
//! Time decides only when an entry is too old. It never decides which of two events came first.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A point in time, in nanoseconds since the clock's origin.
pub(crate) type Nanos = u64;

/// Later than every point in time.
pub(crate) const NEVER: Nanos = Nanos::MAX;

/// The source of time of a cache.
///
/// [`Clock::system`] is the default. [`Clock::manual`] stands still until it is told to go on, so that a test of
/// expiry need not sleep.
///
/// # Example: an hour in no time
/// ```
/// use std::time::Duration;
/// use cache_core::{Cache, Clock};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let clock = Clock::manual();
/// let cache = Cache::<u64, &str>::builder().ttl(Duration::from_secs(3600)).clock(clock.clone()).build();
/// cache.insert(1, "one").await;
/// clock.advance(Duration::from_secs(3599));
/// assert_eq!(cache.get(&1), Some("one"));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(cache.get(&1), None);
/// # }
/// ```
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System(Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine, which never goes backwards.
    ///
    /// # Example: the default, spelled out
    /// ```
    /// use cache_core::{Cache, Clock};
    /// let cache = Cache::<u64, u64>::builder().clock(Clock::system()).build();
    /// # drop(cache);
    /// ```
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that moves only by [`advance`](Self::advance). Its clones move together.
    ///
    /// Caches on such a clock are not looked after in the background; they reclaim what has expired when they are
    /// used.
    ///
    /// # Example: it stands still
    /// ```
    /// let clock = cache_core::Clock::manual();
    /// clock.advance(std::time::Duration::from_millis(5));
    /// ```
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(0))))
    }

    /// Moves a manual clock forward. A system clock moves by itself and ignores this.
    ///
    /// # Example: five milliseconds
    /// ```
    /// let clock = cache_core::Clock::manual();
    /// clock.advance(std::time::Duration::from_millis(5));
    /// ```
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            let by = nanos(by);
            // One value, no other memory depends on it.
            let _ = now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                Some(now.saturating_add(by).min(NEVER - 1))
            });
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        match &self.0 {
            Source::System(origin) => nanos(origin.elapsed()),
            Source::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Whether time passes without anybody's doing, so that a background thread can wait for it.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.0, Source::System(_))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.runs() { "system" } else { "manual" };
        f.debug_tuple("Clock").field(&kind).finish()
    }
}

/// A duration in nanoseconds; what does not fit (584 years) is as good as for ever.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
