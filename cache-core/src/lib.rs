//! Cached async functions that never serve what a mutation made stale.

mod builder;
mod cache;
mod clock;
mod flight;
mod key;
mod load;
#[cfg(all(test, cache_core_model))]
mod model;
mod mutation;
mod outcome;
mod reaper;
mod reentry;
mod stats;
mod store;
mod sync;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use self::builder::Builder;
pub use self::cache::Cache;
pub use self::clock::Clock;
pub use self::key::{Key, Value};
pub use self::mutation::MutationGuard;
pub use self::stats::Stats;
pub use self::store::Policy;

#[cfg(feature = "macros")]
pub use cache_macros::{cached_in, cached_lru, cached_ttl, invalidates};
