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
//!
//! # Caches off
//! What runs in [`disabled`] finds nothing in any cache, and leaves nothing there.

use std::future::Future;

use crate::world;

/// Runs a future with every cache off: as if there were none.
///
/// No lookup finds anything. Each call runs its own load, which no other caller joins, and keeps nothing of what it comes to: no
/// value and no failure. What is inserted is not kept either, and what it was to replace is evicted. A refresh loads and leaves
/// what there is. All of that counts as [`bypassed`](crate::Stats::bypassed), and neither as a hit, a miss nor a load. Limits
/// of how long a caller waits for a load do not apply.
///
/// Invalidations, mutations and clears do what they always do.
///
/// Tasks that the future spawns are outside.
///
/// # Example: the function itself
/// ```
/// # #[cfg(feature = "macros")] {
/// use cache_core::{cached_lru, testing};
///
/// #[cached_lru]
/// async fn double(n: u64) -> u64 {
///     2 * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// double(21).await;
/// testing::disabled(async {
///     assert_eq!(double::peek(21), None);
///     assert_eq!(double(21).await, 42);
/// })
/// .await;
/// let stats = double::stats();
/// assert_eq!((stats.hits, stats.loads, stats.bypassed), (0, 1, 1));
/// # }
/// # main();
/// # }
/// ```
pub fn disabled<F: Future>(future: F) -> impl Future<Output = F::Output> {
    world::disabled(future)
}
