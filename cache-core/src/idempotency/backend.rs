//! Where records are kept: the contract of a backend, and what goes over it.
//!
//! A backend decides one thing, atomically and by a clock that all of its users share: whose a record is. Everything else (waiting,
//! heartbeats, what is stored) is the store's, so that a backend is five short functions.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::error::IdempotencyError;
use super::record::RecordId;

/// Keeps records for an [`IdempotencyStore`](super::IdempotencyStore).
///
/// A record is missing, *running* under the token of who claimed it until a lease ends, or *settled* with a reply. It expires at a time
/// that is set with each change; one that has expired is as good as missing.
///
/// What an implementation has to see to:
/// - Each function is atomic, for all processes that share the records, and survives being called twice with the same arguments: an
///   answer may be lost on the way and the question be sent again.
/// - One clock decides on leases and expiry, that of whatever keeps the records, read when the change is made and not when somebody
///   began to wait for it. Never that of a worker.
/// - Two records are one only if both [`scope`](RecordId::scope) and [`key`](RecordId::key) are the same, byte for byte.
/// - Replies come back as the bytes they were.
/// - Errors are for when it could not be done or is not known to be done. They are shown to people: no keys and no replies in them.
///   No answer within a minute counts as one, and the future is dropped.
///
/// The suite in the module `contract` (feature `test-util`) tests what of this can be seen from outside.
///
/// # Cancellation
/// A future of these may be dropped at any time. What it did then, or did not, has to be whole.
///
/// # Example: one that is down
/// ```
/// use std::time::Duration;
/// use cache_core::idempotency::{Backend, Claim, Claimed, RecordId, Reply, Token};
///
/// struct Down;
///
/// impl Backend for Down {
///     type Error = std::io::Error;
///
///     async fn claim(&self, _: &RecordId, _: Claim) -> Result<Claimed, Self::Error> {
///         Err(std::io::Error::other("down for maintenance"))
///     }
///     async fn renew(&self, _: &RecordId, _: Token, _: Duration, _: Duration) -> Result<bool, Self::Error> {
///         Err(std::io::Error::other("down for maintenance"))
///     }
///     async fn settle(&self, _: &RecordId, _: Token, _: &Reply, _: Duration) -> Result<bool, Self::Error> {
///         Err(std::io::Error::other("down for maintenance"))
///     }
///     async fn release(&self, _: &RecordId, _: Token) -> Result<bool, Self::Error> {
///         Err(std::io::Error::other("down for maintenance"))
///     }
///     async fn delete_expired(&self, _: u32) -> Result<u64, Self::Error> {
///         Err(std::io::Error::other("down for maintenance"))
///     }
/// }
/// ```
pub trait Backend: Send + Sync + 'static {
    /// What can go wrong. It is shown to people, so it holds neither keys nor replies.
    type Error: Error + Send + Sync + 'static;

    /// Makes the record the claimant's, if it is nobody's: missing, expired, or running for the same payload with a lease that has ended and
    /// [`Claim::takes_over`]. It is then running under [`Claim::token`], for [`Claim::payload`], until [`Claim::lease`] ends, and expires
    /// [`Claim::ttl`] after that. Otherwise nothing is changed, and the answer says how the record is.
    ///
    /// Of any number of claims at once one gets it. One that comes again under a token that has it already, has it.
    fn claim(&self, record: &RecordId, claim: Claim) -> impl Future<Output = Result<Claimed, Self::Error>> + Send;

    /// Lets the lease of a record that is running under this token end `lease` from now, and the record expire `ttl` after that.
    /// `false`, and nothing else, if it is not running under this token any more. A lease of zero ends at once.
    fn renew(
        &self,
        record: &RecordId,
        token: Token,
        lease: Duration,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Stores the reply of a record that is running under this token, whether or not its lease has ended, to expire `ttl` from now.
    /// `true` also if it was settled under this token before, `false` if it is another's or has gone.
    fn settle(
        &self,
        record: &RecordId,
        token: Token,
        reply: &Reply,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Removes a record that is running under this token, as if it had never been claimed. `false` if there is none.
    fn release(&self, record: &RecordId, token: Token) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Removes expired records, at most `batch`, and says how many. It passes over those that somebody is just claiming.
    fn delete_expired(&self, batch: u32) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

/// What is shared is as good.
impl<B: Backend> Backend for Arc<B> {
    type Error = B::Error;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, B::Error> {
        (**self).claim(record, claim).await
    }

    async fn renew(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> Result<bool, B::Error> {
        (**self).renew(record, token, lease, ttl).await
    }

    async fn settle(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> Result<bool, B::Error> {
        (**self).settle(record, token, reply, ttl).await
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, B::Error> {
        (**self).release(record, token).await
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, B::Error> {
        (**self).delete_expired(batch).await
    }
}

/// Who has claimed a record: a number that is drawn for each claim, and fences everything that follows from it.
///
/// # Example: as bytes, for a column or a message
/// ```
/// use cache_core::idempotency::Token;
///
/// let token = Token::from_bytes([7; 16]);
/// assert_eq!(token.to_bytes(), [7; 16]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// A new one, from the randomness of the system.
    pub(crate) fn draw() -> Result<Self, IdempotencyError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| IdempotencyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// One that was stored.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Token;
    /// assert_ne!(Token::from_bytes([0; 16]), Token::from_bytes([1; 16]));
    /// ```
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What to store.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Token;
    /// assert_eq!(Token::from_bytes([9; 16]).to_bytes(), [9; 16]);
    /// ```
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Its beginning: who has all of it could settle in its place.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, ..] = self.0;
        write!(f, "Token({first:02x}{second:02x}{third:02x}…)")
    }
}

/// Wants to have a record.
///
/// # Example: what a backend reads
/// ```
/// use std::time::Duration;
/// use cache_core::idempotency::{Claim, Token};
///
/// let claim = Claim {
///     token: Token::from_bytes([7; 16]),
///     payload: [0; 32],
///     lease: Duration::from_secs(30),
///     ttl: Duration::from_secs(24 * 3600),
///     takes_over: true,
/// };
/// assert!(claim.takes_over);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Under which the record is then known to be the claimant's.
    pub token: Token,
    /// The SHA-256 of the payload, to be kept with the record.
    pub payload: [u8; 32],
    /// For how long, unless it is renewed.
    pub lease: Duration,
    /// How long after the end of its lease the record expires.
    pub ttl: Duration,
    /// Whether it takes a record whose worker has let the lease end, if that is of the same payload.
    pub takes_over: bool,
}

/// What a claim has come to.
///
/// # Example: whose it is
/// ```
/// use cache_core::idempotency::Claimed;
///
/// fn is_ours(claimed: &Claimed) -> bool {
///     matches!(claimed, Claimed::Ours { .. })
/// }
/// assert!(is_ours(&Claimed::Ours { took_over: false }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The record is the claimant's.
    Ours {
        /// From a worker who let the lease end.
        took_over: bool,
    },
    /// It has a reply.
    Settled {
        /// Of the payload that it is the reply to.
        payload: [u8; 32],
        /// The reply.
        reply: Reply,
    },
    /// Somebody has it.
    Running {
        /// Of the payload he has it for, if that can be seen.
        payload: Option<[u8; 32]>,
        /// How long his lease lasts, if that can be seen.
        remaining: Option<Duration>,
    },
    /// It has a reply that was damaged where it is stored, and cannot be read.
    Unreadable,
    /// Somebody had it and let the lease end, and the claimant does not take over, or not for this payload.
    Abandoned {
        /// Of the payload he had it for.
        payload: [u8; 32],
    },
}

/// What is stored of a call that ran.
///
/// # Example: as two columns
/// ```
/// use cache_core::idempotency::Reply;
///
/// let reply = Reply::Success(b"\"paid\"".to_vec());
/// let (kind, body) = (reply.kind(), reply.body());
/// assert_eq!(Reply::from_parts(kind, body.to_vec()), Some(reply.clone()));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Its value, serialised.
    Success(Vec<u8>),
    /// Its error, serialised, if errors like that are stored.
    Failure(Vec<u8>),
    /// That it returned a value of more bytes than are stored.
    TooLarge,
    /// That it returned a value that could not be serialised.
    Unserializable,
}

impl Reply {
    /// Which of them it is, as a number to store.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Reply;
    /// assert_eq!(Reply::Success(Vec::new()).kind(), 1);
    /// ```
    pub fn kind(&self) -> u8 {
        match self {
            Self::Success(_) => 1,
            Self::Failure(_) => 2,
            Self::TooLarge => 3,
            Self::Unserializable => 4,
        }
    }

    /// Its bytes, of which there may be none.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Reply;
    /// assert!(Reply::TooLarge.body().is_empty());
    /// ```
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Success(body) | Self::Failure(body) => body,
            Self::TooLarge | Self::Unserializable => &[],
        }
    }

    /// From what was stored. `None` if no reply has this number.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Reply;
    /// assert_eq!(Reply::from_parts(3, Vec::new()), Some(Reply::TooLarge));
    /// assert_eq!(Reply::from_parts(99, Vec::new()), None);
    /// ```
    pub fn from_parts(kind: u8, body: Vec<u8>) -> Option<Self> {
        Some(match kind {
            1 => Self::Success(body),
            2 => Self::Failure(body),
            3 => Self::TooLarge,
            4 => Self::Unserializable,
            _ => return None,
        })
    }
}

/// How large it is, and nothing of what is in it.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Success(_) => "Success",
            Self::Failure(_) => "Failure",
            Self::TooLarge => "TooLarge",
            Self::Unserializable => "Unserializable",
        };
        write!(f, "{name}({} bytes)", self.body().len())
    }
}
