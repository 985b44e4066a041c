//! What can go wrong, told so that a caller knows whether the handler ran.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::payload::PayloadError;
use super::record::RecordId;

/// Why a call was refused, or what became of it.
///
/// [`has_run`](Self::has_run) says what a caller has to know most. Keys, payloads and replies are never shown: a [`RecordId`] is the
/// beginning of a hash.
///
/// # Example: an answer over HTTP
/// ```
/// use cache_core::idempotency::IdempotencyError;
///
/// fn status(error: &IdempotencyError) -> (u16, Option<u64>) {
///     (error.http_status(), error.retry_after().map(|after| after.as_secs().max(1)))
/// }
/// assert_eq!(status(&IdempotencyError::EmptyKey), (400, None));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyError {
    /// The key has no characters. To run without one, give `None`.
    #[error("the idempotency key is empty: send one that is unique, such as a UUID, or none")]
    EmptyKey,
    /// The key has more bytes than the store allows.
    #[error("the idempotency key has {len} bytes, and {max} are allowed: send a short one, such as a UUID")]
    KeyTooLong {
        /// Of the key.
        len: usize,
        /// As it was set by `max_key_len`.
        max: usize,
    },
    /// The key has a NUL in it.
    #[error("the idempotency key has a NUL in it: send one of printable characters, such as a UUID")]
    InvalidKey,
    /// A key was given without a scope, or with a part of it empty. A key of everybody's is none.
    #[error(
        "the idempotency key has no scope: the {part} is empty, and without it one client could replay what another did"
    )]
    NoScope {
        /// What is missing.
        part: ScopePart,
    },
    /// A part of the scope has a record separator in it, or could not be made text.
    #[error("the {part} of an idempotency key has U+001E in it, or cannot be written: use an identifier")]
    InvalidScope {
        /// Which part.
        part: ScopePart,
    },
    /// The payload has no fingerprint.
    #[error("the payload cannot be compared: {0}")]
    Payload(#[from] PayloadError),
    /// The key was used with another payload before.
    #[error(
        "request {record} has another payload than the one that this idempotency key was first used with: use a new key"
    )]
    Conflict {
        /// Of the key.
        record: RecordId,
    },
    /// Another request with this key is still running.
    #[error("request {record} is still running: try again in {retry_after:?}")]
    InProgress {
        /// Of the key.
        record: RecordId,
        /// When another attempt may be worth it.
        retry_after: Duration,
    },
    /// The worker that ran a request with this key died, or its handler panicked, and it is not known how far it came.
    #[error(
        "the worker that ran request {record} did not come to an end, and it is not known whether it had an effect: look for it, \
         or let such requests run again with `on_abandoned(OnAbandoned::Rerun)`"
    )]
    Abandoned {
        /// Of the key.
        record: RecordId,
    },
    /// The request ran before, and its reply is not there to be replayed.
    #[error(
        "request {record} has run, and its reply is not stored, because {why}: look up what it did, and do not run it again"
    )]
    NoReply {
        /// Of the key.
        record: RecordId,
        /// Why not.
        why: NoReply,
    },
    /// The handler ran, and the store could not take down its reply. What a later request with this key gets is up to
    /// `on_abandoned`.
    #[error("the handler of request {record} has run, and its reply could not be stored: {source}")]
    Unsettled {
        /// Of the key.
        record: RecordId,
        /// What the backend said at last.
        source: BoxError,
    },
    /// This worker did not get to renew its lease, and another one may have run, or be running, the same request.
    #[error("the worker lost its claim on request {record} while the handler ran, and another may have taken over")]
    LeaseLost {
        /// Of the key.
        record: RecordId,
    },
    /// The runtime was shut down while the handler ran.
    #[error("the runtime was shut down while {} ran", interrupted(.record.as_ref()))]
    Interrupted {
        /// Of the key, if it has one.
        record: Option<RecordId>,
    },
    /// The store could not be asked. The handler has not run.
    #[error("the handler has not run, because the idempotency store failed for request {record}: {source}")]
    Unavailable {
        /// Of the key.
        record: RecordId,
        /// What the backend said.
        source: BoxError,
    },
    /// The system gave no random bytes. The handler has not run.
    #[error("the handler has not run, because the system gave no random bytes for a token")]
    NoRandomness,
    /// A number of the store's is out of range.
    #[error("`{option}` is {given} and has to be {allowed}")]
    Config {
        /// Which one.
        option: &'static str,
        /// As it was given.
        given: String,
        /// What it may be.
        allowed: &'static str,
    },
}

fn interrupted(record: Option<&RecordId>) -> String {
    record.map_or_else(
        || "a request without a key".to_owned(),
        |record| format!("request {record}"),
    )
}

/// The error of a backend.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A part of what a key is unique in.
///
/// # Example: what a person reads
/// ```
/// use cache_core::idempotency::ScopePart;
/// assert_eq!(ScopePart::Principal.to_string(), "principal");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopePart {
    /// Whose data it is.
    Tenant,
    /// Who asks.
    Principal,
    /// What is asked for: the path of the function.
    Operation,
}

impl fmt::Display for ScopePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenant => "tenant",
            Self::Principal => "principal",
            Self::Operation => "operation",
        })
    }
}

/// Why a reply cannot be replayed.
///
/// # Example: what a person reads
/// ```
/// use cache_core::idempotency::NoReply;
/// assert_eq!(NoReply::TooLarge.to_string(), "it was larger than `max_response_bytes`");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoReply {
    /// It was larger than is stored.
    TooLarge,
    /// It could not be serialised.
    Unserializable,
    /// What is stored is not what the function returns now, or was damaged.
    Unreadable,
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "it was larger than `max_response_bytes`",
            Self::Unserializable => "it could not be serialised",
            Self::Unreadable => "what is stored cannot be read as what the function returns now",
        })
    }
}

impl IdempotencyError {
    /// Whether the handler ran. `Some(true)`: in this call or an earlier one of the same key. `Some(false)`: not in this call, and of earlier
    /// ones nothing could be learnt. `None`: that is not known.
    ///
    /// # Example: what may be sent again
    /// ```
    /// use cache_core::idempotency::IdempotencyError;
    /// assert_eq!(IdempotencyError::EmptyKey.has_run(), Some(false));
    /// ```
    pub fn has_run(&self) -> Option<bool> {
        match self {
            Self::EmptyKey
            | Self::KeyTooLong { .. }
            | Self::InvalidKey
            | Self::NoScope { .. }
            | Self::InvalidScope { .. }
            | Self::Payload(_)
            | Self::Unavailable { .. }
            | Self::NoRandomness
            | Self::Config { .. } => Some(false),
            Self::NoReply { .. } | Self::Unsettled { .. } => Some(true),
            Self::Conflict { .. }
            | Self::InProgress { .. }
            | Self::Abandoned { .. }
            | Self::LeaseLost { .. }
            | Self::Interrupted { .. } => None,
        }
    }

    /// The status that fits it in HTTP: 400 for a bad key, scope or payload, 409 for one that is running or was given up, 422 for another
    /// payload, 503 for a store that failed before the handler ran, 500 for the rest. The first three are those of the IETF's draft
    /// `draft-ietf-httpapi-idempotency-key-header`.
    ///
    /// # Example
    /// ```
    /// use cache_core::idempotency::IdempotencyError;
    /// assert_eq!(IdempotencyError::InvalidKey.http_status(), 400);
    /// ```
    pub fn http_status(&self) -> u16 {
        match self {
            Self::EmptyKey
            | Self::KeyTooLong { .. }
            | Self::InvalidKey
            | Self::NoScope { .. }
            | Self::InvalidScope { .. }
            | Self::Payload(_) => 400,
            Self::InProgress { .. } | Self::Abandoned { .. } => 409,
            Self::Conflict { .. } => 422,
            Self::Unavailable { .. } | Self::NoRandomness => 503,
            Self::NoReply { .. }
            | Self::Unsettled { .. }
            | Self::LeaseLost { .. }
            | Self::Interrupted { .. }
            | Self::Config { .. } => 500,
        }
    }

    /// When another attempt may be worth it, for the header `Retry-After`.
    ///
    /// # Example
    /// ```
    /// use cache_core::idempotency::IdempotencyError;
    /// assert_eq!(IdempotencyError::EmptyKey.retry_after(), None);
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InProgress { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    pub(crate) fn unavailable(record: &RecordId, source: BoxError) -> Self {
        Self::Unavailable {
            record: record.clone(),
            source,
        }
    }
}
