//! How long values are fresh, as far as it is not said by a duration.

use std::time::Duration;

use crate::builder::Builder;
use crate::freshness::Jitter;
use crate::key::{Key, Value};

/// What makes the TTL of each value.
///
/// A pointer and not a closure, so that it captures nothing.
pub fn ttl_fn<K: Key, V: Value>(builder: Builder<K, V>, ttl_fn: fn(&V) -> Duration) -> Builder<K, V> {
    builder.ttl_fn(ttl_fn)
}

/// What a `jitter` can be.
#[diagnostic::on_unimplemented(
    message = "`jitter` cannot be of type `{Self}`",
    label = "has to be a share of the TTL, an `f64` between 0 and 1, or a `Duration`",
    note = "write `jitter = 0.1`, or `jitter = \"5s\"`"
)]
pub trait Spreads {
    /// As it is.
    fn jitter(self) -> Jitter;
}

impl Spreads for f64 {
    fn jitter(self) -> Jitter {
        Jitter::share(self)
    }
}

impl Spreads for Duration {
    fn jitter(self) -> Jitter {
        Jitter::time(self)
    }
}

impl Spreads for Jitter {
    fn jitter(self) -> Jitter {
        self
    }
}

/// By how much a TTL may be shortened.
pub fn jitter(jitter: impl Spreads) -> Jitter {
    jitter.jitter()
}

/// The share of the TTL after which a hit has a value refreshed.
///
/// # Panics
/// At compile time, if it is none.
#[track_caller]
pub const fn refresh_ahead(share: f64) -> f64 {
    assert!(
        share > 0.0 && share < 1.0,
        "`refresh_ahead` is the share of the TTL after which a hit has a value refreshed, between 0 and 1"
    );
    share
}
