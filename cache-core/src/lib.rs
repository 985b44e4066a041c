//! Cached async functions that never serve what a mutation made stale.
//!
//! [`cached_lru`] and [`cached_ttl`] cache what an async function returns, [`cached_in`] does so in a [`Cache`] of your
//! own, and [`invalidates`] evicts what another function is about to make stale. [`agent_cached`] and [`agent_invalidates`]
//! do the same for the tools of an agent, by resource and by session. What they have to themselves is the promise: once an
//! invalidation has returned, no call that starts later gets a value whose load began before that, not even one that was
//! loading at the time.
//!
//! # Example: a read and a write
//! ```
//! # #[cfg(feature = "macros")] {
//! use cache_core::{cached_lru, invalidates};
//!
//! # struct Db;
//! # impl Db {
//! #     async fn load(&self, id: u64) -> Result<String, std::io::Error> { Ok(format!("user {id}")) }
//! #     async fn store(&self, _: u64, _: &str) -> Result<(), std::io::Error> { Ok(()) }
//! # }
//! #[cached_lru(max_size = 10_000, skip(db))]
//! async fn get_name(db: &Db, id: u64) -> Result<String, std::io::Error> {
//!     db.load(id).await
//! }
//!
//! #[invalidates(get_name(id))]
//! async fn set_name(db: &Db, id: u64, name: &str) -> Result<(), std::io::Error> {
//!     db.store(id, name).await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::io::Error> {
//! # let db = Db;
//! get_name(&db, 7).await?;
//! assert!(get_name::peek(7).is_some());
//! set_name(&db, 7, "Ada").await?;
//! assert_eq!(get_name::peek(7), None);
//! # Ok(()) }
//! # main().unwrap();
//! # }
//! ```
//!
//! # More than one function
//! - Entries carry *tags*, and [`invalidate_tag`] or `#[invalidates(tag = "user:{id}")]` evicts all that carry one, of all
//!   caches: [`Builder::tags`], [`Builder::tag_fn`].
//! - [`agent_cached`] and [`agent_invalidates`] are for the tools of agents, which read and change *resources*, for everybody or
//!   in a [`session`].
//! - [`cached_batch`] makes a function for one key of one that loads many; [`Cache::batched`] does so without the macro.
//! - [`warm`] loads what is not there before anybody asks for it; [`Cache::get_many`] and its like are for many keys in one pass.
//! - An [`observer`] hears of every change of a cache, or of all of them. The [`registry`] lists the caches there are.
//!
//! # Around a load
//! - Old values serve while new ones are on their way, or cannot be had: [`Builder::stale_while_revalidate`],
//!   [`Builder::refresh_ahead`], [`Builder::stale_if_error`], [`Builder::soft_timeout`]. The attributes have arguments of the
//!   same names. An invalidation takes old values away like any other.
//! - Loads can be tasks, which go on without their callers: [`Cache::get_or_spawn`], `detached`.
//!
//! # As long as the data stays the same
//! - [`cached_revision`] keeps values for as long as the [`revision`] of their data does, and not for a time: a counter, an `ETag`, the
//!   tables of a Postgres database (feature `postgres`).
//!
//! # Requests that run once
//! - `idempotent` goes on a handler whose requests may be sent again: it runs once for each key, and repeats get the stored reply, across
//!   workers that share a Postgres too. The module `idempotency` does so without the macro.
//!
//! # Why it is made like this
//! **Why is there a flight table when moka has `get_with`?** Because a load that began before an invalidation must not be
//! kept after it, and no store can know that: it sees an insertion, not when the value was read.
//!
//! **Why does a mutation evict twice?** The first eviction makes sure that nobody reads the old value from the cache once
//! the write is visible. The second makes sure that what was loaded while it was not yet visible does not stay.
//!
//! **Why `Arc` around large values?** A hit clones the value. An `Arc` makes that a count.
//!
//! # Features
//! - `idempotency` (default): the module `idempotency`, and with `macros` the attribute `idempotent`.
//! - `macros` (default): the attributes.
//! - `postgres`: the module `postgres`, revisions of tables; and requests that run once across workers. Needs Rust 1.94.
//! - `tracing`: loads in the background run in the span of the caller that started them.
//! - `test-util`: for tests, the module `testing`. Entries expire by the clock of the tokio runtime, which a test can pause, and
//!   a test can have its own caches, or none. It makes hits slower, so put it among the dev-dependencies:
//!   `cargo add --dev cache-core --features test-util`.

mod agent;
mod background;
mod batch;
mod builder;
mod bulk;
mod cache;
mod clock;
mod detached;
mod flight;
mod freshness;
#[cfg(feature = "idempotency")]
pub mod idempotency;
mod key;
mod load;
#[cfg(all(test, cache_core_model))]
mod model;
mod mutation;
pub mod observer;
mod outcome;
#[cfg(feature = "postgres")]
pub mod postgres;
mod reaper;
mod reentry;
pub mod registry;
pub mod revision;
pub mod session;
mod shared;
mod stats;
mod store;
mod stripe;
mod sync;
mod tag;
#[cfg(feature = "test-util")]
pub mod testing;
mod warm;
mod world;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use self::agent::Resource;
pub use self::batch::Batched;
pub use self::builder::Builder;
pub use self::cache::Cache;
pub use self::clock::Clock;
pub use self::freshness::{Jitter, LoadTimeout};
pub use self::key::{Key, Value};
pub use self::mutation::MutationGuard;
pub use self::stats::Stats;
pub use self::store::Policy;
pub use self::tag::{begin_tag_mutation, invalidate_tag};
pub use self::warm::{Progress, Warmed, Warmup, warm};

#[cfg(all(feature = "macros", feature = "idempotency"))]
pub use cache_macros::idempotent;
#[cfg(feature = "macros")]
pub use cache_macros::{
    agent_cached, agent_invalidates, cached_batch, cached_in, cached_lru, cached_revision, cached_ttl, invalidates,
};
