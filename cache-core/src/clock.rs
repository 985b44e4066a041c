//! Time, as caches measure it: nanoseconds since the clock was made, real or set by hand.
//!
//! Time decides only when an entry is too old. It never decides which of two events came first.
//!
//! Reading the time costs more than all the rest of a hit. Where the system has a coarse clock, which is the exact one as
//! it stood at the last tick of the machine, a hit reads that, and asks the exact one only when the end of the entry is
//! near. So an entry ends no later than it would by the exact clock alone.
//!
//! With the feature `test-util` the exact one is read always, and inside of a runtime that is the runtime's.

#[cfg(not(feature = "test-util"))]
mod machine;
#[cfg(feature = "test-util")]
mod pausable;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(not(feature = "test-util"))]
use self::machine::System;
#[cfg(feature = "test-util")]
use self::pausable::System;
#[cfg(feature = "test-util")]
pub(crate) use self::pausable::is_paused_here;

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
    System(System),
    Manual(Arc<AtomicU64>),
}

/// How far the coarse clock is trusted. Ticks are a hundredth of a second apart at most; a machine that others hold up can
/// miss some.
pub(crate) const NEAR: Nanos = 1_000_000_000;

impl Clock {
    /// The clock of the machine, which never goes backwards.
    ///
    /// With the feature `test-util`, and inside of a tokio runtime, the clock of that runtime, which a test can pause: see
    /// the module `testing`.
    ///
    /// # Example: the default, spelled out
    /// ```
    /// use cache_core::{Cache, Clock};
    /// let cache = Cache::<u64, u64>::builder().clock(Clock::system()).build();
    /// # drop(cache);
    /// ```
    pub fn system() -> Self {
        Self(Source::System(System::new()))
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

    /// One like it, for a cache that stands for another one.
    #[cfg(feature = "test-util")]
    pub(crate) fn afresh(&self) -> Self {
        match &self.0 {
            Source::System(_) => Self::system(),
            Source::Manual(_) => self.clone(),
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        match &self.0 {
            Source::System(system) => system.now(),
            Source::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// The time as far as it is known without asking for long: it may be behind by a tick.
    #[inline]
    pub(crate) fn about_now(&self) -> Nanos {
        match &self.0 {
            Source::System(system) => system.about_now(),
            Source::Manual(_) => self.now(),
        }
    }

    /// Whether it is `deadline` or later, exactly.
    #[inline]
    pub(crate) fn has_reached(&self, deadline: Nanos) -> bool {
        match &self.0 {
            Source::System(_) if self.about_now().saturating_add(NEAR) < deadline => false,
            _ => self.now() >= deadline,
        }
    }

    /// Whether time passes without anybody's doing, so that a background thread can wait for it.
    pub(crate) fn runs(&self) -> bool {
        match &self.0 {
            Source::System(system) => system.runs(),
            Source::Manual(_) => false,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Source::System(_) => "system",
            Source::Manual(_) => "manual",
        };
        f.debug_tuple("Clock").field(&kind).finish()
    }
}

/// A duration in nanoseconds; what does not fit (584 years) is as good as for ever.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_the_exact_clock_says_so() {
        let clock = Clock::system();
        assert!(clock.has_reached(0) && clock.has_reached(clock.now()));
        for ahead in [NEAR / 2, NEAR * 2, NEAR * 1_000] {
            assert!(!clock.has_reached(clock.now() + ahead));
        }
        assert!(!clock.has_reached(NEVER));
        // Behind by a tick at most, or this trust is misplaced.
        assert!(clock.now().abs_diff(clock.about_now()) < NEAR / 2);
    }

    #[test]
    fn a_clock_that_is_set_by_hand_is_exact() {
        let clock = Clock::manual();
        clock.advance(Duration::from_nanos(10));
        assert_eq!((clock.now(), clock.about_now()), (10, 10));
        assert!(clock.has_reached(10) && !clock.has_reached(11));
    }
}
