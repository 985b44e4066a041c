//! What `testing` does with the caches of a test.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

#[path = "../support/mod.rs"]
mod support;

mod isolation;
mod off;
