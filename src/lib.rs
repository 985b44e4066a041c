//! Holds nothing: this package owns the tests and the examples. The README is here so that its code is run.
#![doc = include_str!("../README.md")]
#![allow(
    clippy::doc_markdown,
    reason = "the README is read by people who know what SQLite is"
)]

/// Holds nothing either, but has the code of that document run.
#[doc = include_str!("../docs/operations.md")]
pub mod operations {}

/// And of that one.
#[doc = include_str!("../docs/idempotency.md")]
pub mod idempotency {}
