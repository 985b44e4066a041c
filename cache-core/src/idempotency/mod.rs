//! One effect per key: requests that may be sent again run once, and repeats get the stored reply.

mod backend;
mod call;
mod config;
#[cfg(feature = "test-util")]
pub mod contract;
mod error;
mod execute;
mod flights;
mod lease;
mod memory;
mod outcome;
mod patience;
mod payload;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod request;
mod run;
mod stats;
mod store;
mod sweep;
#[cfg(feature = "postgres")]
pub(crate) mod transaction;

pub use self::backend::{Backend, Claim, Claimed, Reply, Token};
pub use self::config::{OnAbandoned, StoreBuilder};
pub use self::error::{IdempotencyError, NoReply, ScopePart};
pub use self::memory::{Full, MemoryBackend};
pub use self::outcome::Outcome;
pub use self::payload::PayloadError;
#[cfg(feature = "postgres")]
pub use self::postgres::{PgBackend, PgBackendError, PgFailure, PgFault};
pub use self::record::RecordId;
pub use self::request::{IdempotencyKey, Request};
#[doc(hidden)]
pub use self::stats::Counters;
pub use self::stats::ReplayStats;
pub use self::store::IdempotencyStore;
pub use self::sweep::Sweeper;
