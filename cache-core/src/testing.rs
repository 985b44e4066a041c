//! For tests: time that passes when the test says so. By the feature `test-util`.
//!
//! # Time
//! Inside of a tokio runtime, caches on the default clock ([`Clock::system`](crate::Clock::system)) go by the clock of that
//! runtime. A test that pauses it (`start_paused = true`, or [`tokio::time::pause`]) and moves it on ([`tokio::time::advance`],
//! or a sleep) has what is too old expire at once, to the nanosecond, without waiting. Nothing changes for a test that does
//! not pause it.
//!
//! - From when a cache has met a clock that a test has paused, the thread that drops what has expired leaves that cache alone. What has expired is
//!   found no more all the same, and is dropped when the cache is next used.
//! - Outside of any runtime such a cache is as late as it last was inside of one.
//! - Each runtime has a clock of its own, and `#[tokio::test]` makes a runtime for each test. A cache that several tests use
//!   goes by the clock of the one that asks: what one of them has kept after an hour of its time is an hour younger than that to
//!   the others.
//!
//! # Example: an hour in no time
//! ```
//! use std::time::Duration;
//! use cache_core::Cache;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! let cache = Cache::<u64, &str>::builder().ttl(Duration::from_secs(3600)).build();
//! cache.insert(1, "one").await;
//! tokio::time::advance(Duration::from_secs(3599)).await;
//! assert_eq!(cache.get(&1), Some("one"));
//! tokio::time::advance(Duration::from_secs(1)).await;
//! assert_eq!(cache.get(&1), None);
//! # }
//! ```
