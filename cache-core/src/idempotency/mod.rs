//! One effect for each key: requests that may be sent again run once, and repeats get the stored reply.
//!
//! A client that got no answer does not know whether its order was taken, and sends it again. [`IdempotencyStore::run`], or the attribute
//! `#[idempotent]`, runs the handler for the first request with a key, stores what it returned, and replays that for all others: in this
//! process, in another worker, or after a restart, as far as the [`Backend`] reaches.
//!
//! # Example: a handler that runs once
//! ```
//! # #[cfg(feature = "macros")] {
//! use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome};
//! use cache_core::idempotent;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone)]
//! struct App { replay: IdempotencyStore<MemoryBackend> }
//! #[derive(Serialize)]
//! struct CreateOrder { idempotency_key: Option<String>, item: String }
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Receipt { item: String }
//! #[derive(Debug)]
//! enum OrderError { Idempotency(IdempotencyError) }
//! impl From<IdempotencyError> for OrderError {
//!     fn from(error: IdempotencyError) -> Self { Self::Idempotency(error) }
//! }
//!
//! #[idempotent(store = app.replay, key = req.idempotency_key, scope = (tenant, principal), payload = req)]
//! async fn create_order(app: &App, tenant: &str, principal: &str, req: CreateOrder) -> Result<Receipt, OrderError> {
//!     Ok(Receipt { item: req.item })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), OrderError> {
//! let app = App { replay: IdempotencyStore::new(MemoryBackend::new()) };
//! let order = || CreateOrder { idempotency_key: Some("8e03978e".to_owned()), item: "shoes".to_owned() };
//! create_order(&app, "acme", "ada", order()).await?;
//! let again = create_order::outcome(&app, "acme", "ada", order()).await?;
//! assert_eq!(again, Outcome::Replayed(Receipt { item: "shoes".to_owned() }));
//! # Ok(()) }
//! # main().unwrap();
//! # }
//! ```
//!
//! # What is promised
//! - Of any number of requests with one key, in any number of workers, one at a time runs, and none after one of them has a reply.
//! - The handler runs as a task of its own: a client that goes away does not stop it half way.
//! - A worker that dies leaves its claim to a lease. Whether a request whose worker died in between may run again is said by
//!   [`OnAbandoned`]. With `in_transaction` there is no in between: effect and reply commit together.
//! - A worker that was taken for dead can neither overwrite what its successor stored, nor go on at the next `.await`.
//! - Nothing is shown of keys, payloads and replies, in errors or logs; `PgBackend` keeps hashes and sealed replies.
//!
//! All crash points, the schema, rights and sizing are in `docs/idempotency.md`.
//!
//! # Why it is made like this
//! **Why is an error not stored?** Because most errors pass. A repeat that runs again is what the client sends it for. What will not change, such
//! as a card that was declined, is named by [`store_error`](StoreBuilder::store_error).
//!
//! **Why is the payload compared?** A key that was used for something else is a mistake of the client's, and the reply would be that of another
//! request.
//!
//! **Why is a full store an error, and not a reason to forget the oldest?** What is forgotten runs again.

mod backend;
mod call;
mod config;
#[cfg(feature = "test-util")]
pub mod contract;
mod error;
mod execute;
mod flights;
mod hex;
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
