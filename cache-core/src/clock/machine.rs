//! The machine's clock.

use std::time::Instant;

use super::{Nanos, nanos};

#[derive(Clone)]
pub(super) struct System {
    origin: Instant,
    coarse_origin: Nanos,
}

impl System {
    pub(super) fn new() -> Self {
        // In this order, so that a pause between the two makes entries end earlier and not later.
        let coarse_origin = coarse().unwrap_or(0);
        Self {
            origin: Instant::now(),
            coarse_origin,
        }
    }

    #[inline]
    pub(super) fn now(&self) -> Nanos {
        nanos(self.origin.elapsed())
    }

    #[inline]
    pub(super) fn about_now(&self) -> Nanos {
        match coarse() {
            Some(coarse) => coarse.saturating_sub(self.coarse_origin),
            None => self.now(),
        }
    }

    #[expect(clippy::unused_self, reason = "the clock that tests may pause has to look")]
    pub(super) fn runs(&self) -> bool {
        true
    }
}

/// The coarse clock of the machine, where there is one.
#[cfg(target_os = "linux")]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "not everywhere")]
fn coarse() -> Option<Nanos> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // Counted from the start of the machine: never negative, and no machine runs for 584 years.
    Some(time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned())
}

#[cfg(not(target_os = "linux"))]
fn coarse() -> Option<Nanos> {
    None
}
