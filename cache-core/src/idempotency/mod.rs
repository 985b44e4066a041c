//! Replies that are kept and given again.

#[allow(dead_code, reason = "until the store calls it")]
mod payload;

pub use self::payload::PayloadError;
