//! Records in a table of Postgres, for all workers that use one database.
//!
//! Each function of [`Backend`] is one statement, one round trip and one transaction, behind a pooler too. [`sql`] has them; [`functions`] has
//! what they call, and says why it decides what it decides. [`seal`] says what can be read of a reply without the client's key.

mod check;
mod claim;
mod error;
mod functions;
mod hex;
mod schema;
mod seal;
mod send;
mod sql;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::runtime::Handle;

pub use self::error::{PgBackendError, PgFailure, PgFault};
use self::functions::Functions;
use self::send::{Sent, send};
use super::backend::{Backend, Claim, Claimed, Reply, Token};
use super::record::RecordId;

/// The table, unless another is named.
const TABLE: &str = "idempotency_records";
/// How long Postgres lets a name be, in bytes. It would cut what is longer.
const MAX_NAME: usize = 63;

/// Keeps records in a table of Postgres, which all workers of one database share. Cheap to clone.
///
/// A claim, a settle and the like are one statement and one round trip each, and decide by the server's clock. A replay is a read: it takes
/// no lock and writes nothing. Claims are tried, so none waits for a transaction that is open, whatever it has claimed.
///
/// Claims and settles are functions of the server's, which [`create_schema`](Self::create_schema) makes beside the table.
///
/// What stands in the table, and in whatever logs statements, are hashes of scope, key and payload, and replies that are encrypted with what
/// the client has sent: tenant, principal, operation and key. Who does not know a key, and cannot guess it, can read none of it.
///
/// Needs Postgres 13 and Rust 1.94, and works behind `PgBouncer` in transaction mode. The server has to keep what it has acknowledged: with
/// `synchronous_commit = off`, or on a standby that was promoted before it had everything, claims can be lost, and then run again.
///
/// # Example: a store
/// ```no_run
/// # use cache_core::idempotency::{PgBackend, PgBackendError};
/// # async fn example(pool: sqlx::PgPool) -> Result<(), PgBackendError> {
/// let backend = PgBackend::new(pool);
/// backend.create_schema().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PgBackend(Arc<Inner>);

struct Inner {
    pool: PgPool,
    /// The table's name: letters, digits and underscores.
    name: String,
    /// The same in double quotes, since it may be a word of SQL's. It is looked up on the role's search path.
    table: String,
    functions: Functions,
}

impl PgBackend {
    /// Over this pool, in the table `idempotency_records`. Does not connect yet.
    ///
    /// # Example
    /// ```no_run
    /// # use cache_core::idempotency::PgBackend;
    /// # fn example(pool: sqlx::PgPool) {
    /// let backend = PgBackend::new(pool);
    /// # drop(backend);
    /// # }
    /// ```
    pub fn new(pool: PgPool) -> Self {
        Self::named(pool, TABLE)
    }

    /// The same in a table of this name: a to z, 0 to 9 and underscores, at most 63, the first of them no digit. It is found on the
    /// role's search path.
    ///
    /// # Errors
    /// [`InvalidTable`](PgBackendError::InvalidTable) for another name.
    ///
    /// # Example: a table of a part of the system
    /// ```no_run
    /// # use cache_core::idempotency::{PgBackend, PgBackendError};
    /// # fn example(pool: sqlx::PgPool) -> Result<(), PgBackendError> {
    /// let backend = PgBackend::with_table(pool, "payments_idempotency")?;
    /// # drop(backend);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_table(pool: PgPool, name: &str) -> Result<Self, PgBackendError> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let begins_well = name.bytes().next().is_some_and(is_letter);
        if begins_well && name.len() <= MAX_NAME && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit()) {
            Ok(Self::named(pool, name))
        } else {
            Err(PgBackendError::InvalidTable { name: name.to_owned() })
        }
    }

    fn named(pool: PgPool, name: &str) -> Self {
        Self(Arc::new(Inner {
            pool,
            name: name.to_owned(),
            table: format!("\"{name}\""),
            functions: Functions::of(name),
        }))
    }

    /// Sends a statement that is a transaction of its own.
    async fn send(&self, statement: &str) -> Result<Sent, PgBackendError> {
        // Without a runtime, sqlx would panic.
        Handle::try_current().map_err(|_| PgBackendError::NoRuntime)?;
        send(&self.0.pool, statement).await.map_err(|error| self.error(&error))
    }

    /// How many rows a statement changes, in a transaction of its own.
    async fn change(&self, statement: &str) -> Result<u64, PgBackendError> {
        Ok(self.send(statement).await?.changed)
    }

    fn error(&self, error: &sqlx::Error) -> PgBackendError {
        PgBackendError::new(error, &self.0.name, &self.0.functions)
    }
}

impl Backend for PgBackend {
    type Error = PgBackendError;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, PgBackendError> {
        let statement = sql::claim(&self.0.functions.claim, &self.0.name, record, &claim, false);
        let sent = self.send(&statement).await?;
        match (self.claimed(&sent, record)?, sent.lost) {
            // It may be ourselves who are busy with it, over the connection that was lost.
            (claim::BUSY, Some(lost)) => Err(self.error(&lost)),
            (claimed, _) => Ok(claimed),
        }
    }

    async fn renew(
        &self,
        record: &RecordId,
        token: Token,
        lease: Duration,
        ttl: Duration,
    ) -> Result<bool, PgBackendError> {
        Ok(self
            .change(&sql::renew(&self.0.table, record, token, lease, ttl))
            .await?
            > 0)
    }

    async fn settle(
        &self,
        record: &RecordId,
        token: Token,
        reply: &Reply,
        ttl: Duration,
    ) -> Result<bool, PgBackendError> {
        let sent = self.send(&self.settlement(record, token, reply, ttl)?).await?;
        sent.answer().map_err(|error| self.error(&error))
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, PgBackendError> {
        Ok(self.change(&sql::release(&self.0.table, record, token)).await? > 0)
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, PgBackendError> {
        self.change(&sql::delete_expired(&self.0.table, batch)).await
    }
}

impl PgBackend {
    fn claimed(&self, sent: &Sent, record: &RecordId) -> Result<Claimed, PgBackendError> {
        claim::read(sent.answer().map_err(|error| self.error(&error))?, record)
    }

    fn settlement(
        &self,
        record: &RecordId,
        token: Token,
        reply: &Reply,
        ttl: Duration,
    ) -> Result<String, PgBackendError> {
        let sealed =
            seal::seal(record, token, reply).ok_or_else(|| PgBackendError::TooLarge { record: record.clone() })?;
        Ok(sql::settle(
            &self.0.functions.settle,
            record,
            token,
            reply.kind(),
            &sealed,
            ttl,
        ))
    }
}

/// Its table, and nothing of where the database is.
impl fmt::Debug for PgBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgBackend")
            .field("table", &self.0.name)
            .finish_non_exhaustive()
    }
}
