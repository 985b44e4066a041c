//! How long a value is fresh, how long it may be served after that, and how long a caller waits for a new one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::store::{Life, Staleness};

/// How long a failure keeps the next attempt away, unless said otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What makes the TTL of a value.
pub(crate) type TtlFn<V> = Arc<dyn Fn(&V) -> Duration + Send + Sync>;

/// What a cache was told about time.
pub(crate) struct Freshness<V> {
    pub(crate) ttl: Option<Duration>,
    pub(crate) tti: Option<Duration>,
    pub(crate) ttl_fn: Option<TtlFn<V>>,
    pub(crate) jitter: Option<Jitter>,
    pub(crate) refresh_ahead: Option<f64>,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) retry_after: Duration,
    pub(crate) err_ttl: Option<Duration>,
    pub(crate) none_ttl: Option<Duration>,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) load_timeout: Option<Duration>,
}

impl<V> Default for Freshness<V> {
    fn default() -> Self {
        Self {
            ttl: None,
            tti: None,
            ttl_fn: None,
            jitter: None,
            refresh_ahead: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            retry_after: RETRY_AFTER,
            err_ttl: None,
            none_ttl: None,
            soft_timeout: None,
            load_timeout: None,
        }
    }
}

impl<V> Clone for Freshness<V> {
    fn clone(&self) -> Self {
        Self {
            ttl_fn: self.ttl_fn.clone(),
            ..*self
        }
    }
}

impl<V> Freshness<V> {
    /// The TTL of a value that comes without one of its own.
    pub(crate) fn ttl_of(&self, value: &V) -> Option<Duration> {
        match &self.ttl_fn {
            Some(ttl_fn) => Some(ttl_fn(value)),
            None => self.ttl,
        }
    }

    /// The life of an entry that begins now. `chance` is asked about its jitter.
    pub(crate) fn life(
        &self,
        ttl: Option<Duration>,
        now: impl FnOnce() -> Nanos,
        chance: impl FnOnce(Nanos) -> u64,
    ) -> Life {
        // What never ends need not know when it began.
        let begins_at = if ttl.or(self.tti).is_some() { now() } else { 0 };
        let ttl = match (ttl, self.jitter) {
            (Some(ttl), Some(jitter)) => Some(jitter.of(ttl, chance(begins_at))),
            (ttl, _) => ttl,
        };
        Life {
            begins_at,
            ttl,
            tti: self.tti,
            // Of what keeps nothing, nothing is kept stale.
            staleness: ttl.filter(|ttl| !ttl.is_zero()).and_then(|ttl| self.staleness(ttl)),
        }
    }

    fn staleness(&self, ttl: Duration) -> Option<Staleness> {
        if !self.keeps_away() {
            return None;
        }
        Some(Staleness {
            refreshes_at: self.refresh_ahead.map(|share| times(nanos(ttl), share)),
            revalidates: nanos(self.stale_while_revalidate),
            survives: nanos(self.stale_while_revalidate.max(self.stale_if_error)),
        })
    }

    /// Whether a failed load keeps the next one away, if there is a value.
    pub(crate) fn keeps_away(&self) -> bool {
        self.serves_stale() || self.refresh_ahead.is_some()
    }

    /// Whether failures may be kept.
    pub(crate) fn keeps_failures(&self) -> bool {
        self.err_ttl.or(self.none_ttl).is_some()
    }

    /// For how long a failure is kept, or that there was nothing.
    pub(crate) fn failure_ttl(&self, is_nothing: bool) -> Option<Duration> {
        let ttl = if is_nothing { self.none_ttl } else { self.err_ttl };
        ttl.filter(|ttl| !ttl.is_zero())
    }

    /// Whether a value may be served after its TTL.
    pub(crate) fn serves_stale(&self) -> bool {
        !self.stale_while_revalidate.is_zero() || !self.stale_if_error.is_zero()
    }
}

impl<V> fmt::Debug for Freshness<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Freshness")
            .field("ttl", &self.ttl)
            .field("tti", &self.tti)
            .field("jitter", &self.jitter)
            .field("refresh_ahead", &self.refresh_ahead)
            .field("stale_while_revalidate", &self.stale_while_revalidate)
            .field("stale_if_error", &self.stale_if_error)
            .field("retry_after", &self.retry_after)
            .field("err_ttl", &self.err_ttl)
            .field("none_ttl", &self.none_ttl)
            .field("soft_timeout", &self.soft_timeout)
            .field("load_timeout", &self.load_timeout)
            .finish_non_exhaustive()
    }
}

/// By how much a TTL is shortened, at random and at most: as a share of it, or by a time.
///
/// # Example: both
/// ```
/// use std::time::Duration;
/// use cache_core::Jitter;
///
/// assert_eq!(Jitter::from(0.1), Jitter::share(0.1));
/// assert_eq!(Jitter::from(Duration::from_secs(5)), Jitter::time(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(Spread);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spread {
    Share(f64),
    Time(Duration),
}

impl Jitter {
    /// A share of the TTL, between 0 and 1. What is outside of that counts as the nearer end, and what is no number as 0.
    ///
    /// # Example: entries live between 54 and 60 seconds
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, Jitter};
    /// let cache = Cache::<u64, u64>::builder().ttl(Duration::from_secs(60)).jitter(Jitter::share(0.1)).build();
    /// # drop(cache);
    /// ```
    pub const fn share(share: f64) -> Self {
        Self(Spread::Share(if share > 0.0 { share.min(1.0) } else { 0.0 }))
    }

    /// A time. One that is longer than the TTL counts as that.
    ///
    /// # Example: entries live between 55 and 60 seconds
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, Jitter};
    /// let jitter = Jitter::time(Duration::from_secs(5));
    /// let cache = Cache::<u64, u64>::builder().ttl(Duration::from_secs(60)).jitter(jitter).build();
    /// # drop(cache);
    /// ```
    pub const fn time(time: Duration) -> Self {
        Self(Spread::Time(time))
    }

    /// A TTL made shorter by the share of the jitter that `chance` is of all there is.
    fn of(self, ttl: Duration, chance: u64) -> Duration {
        let whole = nanos(ttl);
        let most = match self.0 {
            Spread::Share(share) => times(whole, share),
            Spread::Time(time) => nanos(time).min(whole),
        };
        #[expect(clippy::cast_precision_loss, reason = "chance needs no more digits")]
        let shortened = whole - times(most, chance as f64 / u64::MAX as f64).min(whole);
        // Zero would keep nothing, which nobody asked for.
        Duration::from_nanos(shortened.max(u64::from(whole > 0)))
    }
}

/// A share of a time.
// What is lost beyond 2^53 nanoseconds, a hundred days, is a nanosecond or a few.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn times(time: Nanos, share: f64) -> Nanos {
    (time as f64 * share) as Nanos
}

impl From<f64> for Jitter {
    fn from(share: f64) -> Self {
        Self::share(share)
    }
}

impl From<Duration> for Jitter {
    fn from(time: Duration) -> Self {
        Self::time(time)
    }
}

/// No value came in time. The load goes on, and what it comes to is kept.
///
/// The error of a function with `load_timeout` is made from it.
///
/// # Example: in an error of one's own
/// ```
/// use cache_core::LoadTimeout;
///
/// #[derive(Clone, Debug)]
/// enum Error {
///     Upstream(String),
///     Slow(LoadTimeout),
/// }
///
/// impl From<LoadTimeout> for Error {
///     fn from(timeout: LoadTimeout) -> Self {
///         Self::Slow(timeout)
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cache `{cache}`: no value within {after:?}; the load goes on")]
pub struct LoadTimeout {
    cache: Arc<str>,
    after: Duration,
}

impl LoadTimeout {
    pub(crate) fn new(cache: Arc<str>, after: Duration) -> Self {
        Self { cache, after }
    }

    /// The name of the cache.
    ///
    /// # Example: its name
    /// ```
    /// fn log(timeout: &cache_core::LoadTimeout) {
    ///     println!("{} is slow", timeout.cache());
    /// }
    /// ```
    pub fn cache(&self) -> &str {
        &self.cache
    }

    /// How long the caller has waited.
    ///
    /// # Example: how long
    /// ```
    /// fn log(timeout: &cache_core::LoadTimeout) {
    ///     println!("nothing within {:?}", timeout.after());
    /// }
    /// ```
    pub fn after(&self) -> Duration {
        self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_shortens_and_never_to_nothing() {
        let minute = Duration::from_secs(60);
        for (jitter, least) in [
            (Jitter::share(0.1), Duration::from_secs(54)),
            (Jitter::time(Duration::from_secs(5)), Duration::from_secs(55)),
            (Jitter::share(7.0), Duration::from_nanos(1)),
            (Jitter::share(f64::NAN), minute),
            (Jitter::share(-1.0), minute),
            (Jitter::time(Duration::MAX), Duration::from_nanos(1)),
        ] {
            assert_eq!(jitter.of(minute, 0), minute);
            assert_eq!(jitter.of(minute, u64::MAX), least, "{jitter:?}");
            assert_eq!(jitter.of(Duration::ZERO, u64::MAX), Duration::ZERO);
            // Centuries do not overflow.
            assert!(jitter.of(Duration::MAX, u64::MAX / 2) > Duration::ZERO);
        }
    }
}
