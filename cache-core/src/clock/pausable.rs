//! The machine's clock, or that of the tokio runtime it is read in, which a test may have paused.
//!
//! Nothing tells whether a runtime's clock is paused. It is found to be, or to have been, when it shows a time that the
//! machine's has left behind or has yet to reach. From then on the cache goes by the clocks of runtimes alone: where there is
//! none, as on the thread of the reaper, it is as late as it last was in one. So nothing expires there that is still alive to
//! the test. The time is noted before an entry gets its deadline from it, and so before anybody can find that deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::runtime::Handle;

use super::{NEVER, Nanos, nanos};

/// The time of the origin. The clock of a runtime may have been paused long before a cache was made.
const ORIGIN: Nanos = 1 << 60;

/// The clock of the machine, as far as is known.
const MACHINE: Nanos = 0;

#[derive(Clone)]
pub(super) struct System {
    origin: Instant,
    /// The time that was last read from a clock that is not the machine's; [`MACHINE`] before there was any.
    seen: Arc<AtomicU64>,
}

impl System {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            seen: Arc::new(AtomicU64::new(MACHINE)),
        }
    }

    pub(super) fn now(&self) -> Nanos {
        // The order of who writes it and who reads it on other threads is that of the locks of the store.
        let seen = self.seen.load(Ordering::Relaxed);
        if Handle::try_current().is_err() {
            return match seen {
                MACHINE => self.at(Instant::now()),
                seen => seen,
            };
        }
        let (here, is_machines) = look();
        let now = self.at(here);
        if seen != MACHINE || !is_machines {
            self.seen.store(now, Ordering::Relaxed);
        }
        now
    }

    pub(super) fn about_now(&self) -> Nanos {
        self.now()
    }

    pub(super) fn runs(&self) -> bool {
        self.seen.load(Ordering::Relaxed) == MACHINE
    }

    fn at(&self, instant: Instant) -> Nanos {
        let after = nanos(instant.saturating_duration_since(self.origin));
        let before = nanos(self.origin.saturating_duration_since(instant));
        let now = ORIGIN.saturating_add(after).saturating_sub(before);
        now.clamp(MACHINE + 1, NEVER - 1)
    }
}

/// The time in the runtime that this is called in, and whether it is the machine's.
fn look() -> (Instant, bool) {
    let before = Instant::now();
    let here = tokio::time::Instant::now().into_std();
    let after = Instant::now();
    (here, (before..=after).contains(&here))
}

/// Whether this is called in a runtime whose clock a test has paused.
pub(crate) fn is_paused_here() -> bool {
    Handle::try_current().is_ok() && !look().1
}

#[cfg(all(test, not(cache_core_model)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cache::Cache;
    use crate::clock::Clock;
    use crate::reaper::Reclaim as _;

    #[test]
    fn what_is_before_the_origin_is_as_far_from_what_is_after_it() {
        let away = Duration::from_millis(1);
        let before = Instant::now();
        let system = System {
            origin: before + away,
            ..System::new()
        };
        assert_eq!(system.at(system.origin) - system.at(before), 1_000_000);
        assert_eq!(system.at(system.origin + away) - system.at(system.origin), 1_000_000);
    }

    /// Whatever clocks of other runtimes there are.
    #[test]
    fn the_clock_of_a_runtime_that_is_not_paused_is_the_machines() {
        let runtime = |is_paused| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let built = builder.enable_time().start_paused(is_paused).build();
            built.expect("there can be another one")
        };
        let (_paused, running) = (runtime(true), runtime(false));
        let clock = Clock::system();
        let mut last = clock.now();
        let mut look = || {
            for _ in 0..1_000 {
                let now = clock.now();
                assert!(now >= last && clock.runs());
                last = now;
            }
        };
        running.block_on(async { look() });
        look();
    }

    /// What the reaper does, on a thread like its own, after the time in question.
    #[tokio::test]
    async fn the_reaper_leaves_what_a_paused_clock_has_yet_to_reach() {
        const AGE: Duration = Duration::from_micros(10);
        let cache = Cache::<u64, u64>::builder().ttl(AGE).build();
        let reap = || std::thread::scope(|scope| scope.spawn(|| cache.shared().reclaim()).join());
        // It knows this cache and looks after it.
        cache.insert_with_ttl(0, 0, Duration::from_secs(3600)).await;
        tokio::time::pause();
        cache.insert(1, 1).await;
        let kept = Instant::now();
        while kept.elapsed() <= AGE {
            std::hint::spin_loop();
        }
        // It may have to look again for the sake of what has left the store, but for time it does not.
        assert!(!reap().expect("it does not panic"), "it need not look again");
        assert_eq!((cache.peek(&1), cache.stats().expirations), (Some(1), 0));
        tokio::time::advance(AGE).await;
        assert_eq!((cache.peek(&1), cache.len(), cache.stats().expirations), (None, 1, 1));
    }
}
