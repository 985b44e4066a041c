//! For tests: time that passes when the test says so, and caches that no other test sees. By the feature `test-util`.
//!
//! # Time
//! Inside of a tokio runtime, caches on the default clock ([`Clock::system`](crate::Clock::system)) go by the clock of that
//! runtime. A test that pauses it (`start_paused = true`, or [`tokio::time::pause`]) and moves it on ([`tokio::time::advance`],
//! or a sleep) has what is too old expire at once, to the nanosecond, without waiting. Nothing changes for a test that does
//! not pause it.
//!
//! - From when a cache has met a clock that a test has paused, the thread that drops what has expired leaves that cache alone.
//!   What has expired is found no more all the same, and is dropped when the cache is next used.
//! - Outside of any runtime such a cache is as late as it last was inside of one.
//! - Each runtime has a clock of its own, and `#[tokio::test]` makes a runtime for each test. A cache that several tests use
//!   goes by the clock of the one that asks: what one of them has kept after it moved on an hour is to the others of an hour
//!   from now, and lives so much longer. [`isolated`] tests have no such cache.
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
//! # Caches of its own
//! The caches of functions live as long as the process, and so what one test has kept is there for the next. What runs in
//! [`isolated`] has its own: empty at the beginning, and gone at the end.
//!
//! # Caches off
//! What runs in [`disabled`] finds nothing in any cache, and leaves nothing there.
//!
//! # Tasks
//! Both are of the task that asks for them. Tasks that it spawns are outside, unless they are put into [`current`] again. What
//! the library itself runs in the background for a caller is where that caller is.

use std::fmt;
use std::future::Future;

use crate::world::{self, Place};

/// Runs a future with every cache off: as if there were none.
///
/// No lookup finds anything. Each call runs its own load, which no other caller joins, and keeps nothing of what it comes to: no
/// value and no failure. What is inserted is not kept either, and what it was to replace is evicted. A refresh loads and leaves
/// what there is. What would have counted as a hit or a miss counts as [`bypassed`](crate::Stats::bypassed), and loads do not
/// count. Limits of how long a caller waits for a load do not apply.
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

/// Runs a future with caches of its own: every cache is empty at first, and what is kept is seen there alone.
///
/// That goes for the caches of functions as well as for those that were made by hand, wherever and by whatever handle they are
/// used. Each is set up like the one it stands for, and has its name. On the default clock it has one of its own; a clock that
/// is set by hand is the same one.
///
/// - Statistics and observers are its own, too. Observers of all caches that were added inside are told of what happens inside,
///   and no others are. They are gone at the end.
/// - Invalidations, mutations, tags, resources and the ends of sessions concern what is inside, and nothing that happens outside
///   concerns that.
/// - The [`registry`](crate::registry) lists the same caches as outside; what there is to say and do of them is of those inside.
/// - Isolation within isolation begins empty again.
/// - [`disabled`] and isolation may be within one another. The inner one counts.
///
/// A cache that the test makes by hand is its own from the beginning. It is an ordinary one, which tasks see that are not
/// in the isolation, and which may live on. So a static that is made by hand should be asked for outside first, if there are
/// tests outside as well: otherwise what is kept there by the test that came first is seen by them.
///
/// At the end, which is when the future is dropped after it has run, all that is dropped.
///
/// # Example: two tests of one function
/// ```
/// # #[cfg(feature = "macros")] {
/// use cache_core::{cached_lru, testing};
///
/// #[cached_lru]
/// async fn double(n: u64) -> u64 {
///     2 * n
/// }
///
/// async fn test() {
///     double(21).await;
///     double(21).await;
///     let stats = double::stats();
///     assert_eq!((stats.misses, stats.hits, stats.len), (1, 1, 1));
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// testing::isolated(test()).await;
/// testing::isolated(test()).await;
/// assert_eq!(double::stats().misses, 0);
/// # }
/// # main();
/// # }
/// ```
pub fn isolated<F: Future>(future: F) -> impl Future<Output = F::Output> {
    Place::new().scope(future)
}

/// Where a task is: isolated with others, or with the caches off, or neither. Made by [`current`].
///
/// It keeps the caches of an isolation alive. Two are equal if they are the same place.
///
/// # Example: two tasks with the same caches
/// ```
/// use cache_core::{Cache, testing};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, u64>::builder().build();
/// testing::isolated(async {
///     let other = cache.clone();
///     let task = testing::current().scope(async move { other.insert(7, 49).await });
///     tokio::spawn(task).await.unwrap();
///     assert_eq!(cache.get(&7), Some(49));
/// })
/// .await;
/// assert_eq!(cache.get(&7), None);
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Scope(Place);

impl Scope {
    /// Runs a future there.
    ///
    /// # Example: as if it had not been spawned
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let scope = cache_core::testing::current();
    /// let task = tokio::spawn(scope.scope(async { cache_core::testing::current() }));
    /// assert!(task.await.unwrap() == cache_core::testing::current());
    /// # }
    /// ```
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        self.0.scope(future)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place this is called in, for tasks that are spawned there.
///
/// # Example: outside of all
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use cache_core::testing;
/// let outside = testing::current();
/// testing::isolated(async move { assert!(testing::current() != outside) }).await;
/// # }
/// ```
pub fn current() -> Scope {
    Scope(Place::current())
}
