//! One effect per key: requests that may be sent again run once, and repeats get the stored reply.

mod backend;
mod error;
mod outcome;
mod payload;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod request;

pub use self::backend::{Backend, Claim, Claimed, Reply, Token};
pub use self::error::{IdempotencyError, NoReply, ScopePart};
pub use self::outcome::Outcome;
pub use self::payload::PayloadError;
#[cfg(feature = "postgres")]
pub use self::postgres::{PgBackend, PgBackendError, PgFailure, PgFault};
pub use self::record::RecordId;
pub use self::request::{IdempotencyKey, Request};
