//! Claim, reply and what the handler writes in one transaction of the caller's.
//!
//! The same statements as otherwise, over the caller's connection. The record is then there for others only when the transaction commits,
//! and gone if it does not, so whatever dies, there is exactly one effect or none. Until then the advisory lock of the claim keeps others
//! off, without making them wait. It ends with the transaction, or with the savepoint that the claim was made in.
//!
//! A worker that dies takes its connection along, and with it the transaction. One that is frozen keeps it, and the record with it. So a
//! claim limits how long the transaction may be idle, to the lease, unless a shorter limit is set: the server then ends it, and the worker
//! finds that out when it goes on. A handler that does something else than query for longer than the lease is ended as well.

use std::time::Duration;

use sqlx::PgConnection;

use super::error::PgBackendError;
use super::send::{Sent, send_over};
use super::{PgBackend, sql};
use crate::idempotency::backend::{Claim, Claimed, Reply, Token};
use crate::idempotency::record::RecordId;

impl PgBackend {
    /// Claims a record in this transaction, which has to be of level READ COMMITTED: [`PgBackendError::Isolation`] otherwise, and then
    /// nothing has been written.
    pub(crate) async fn claim_in(
        &self,
        transaction: &mut PgConnection,
        record: &RecordId,
        claim: Claim,
    ) -> Result<Claimed, PgBackendError> {
        let statement = sql::claim(&self.0.functions.claim, &self.0.name, record, &claim, true);
        let sent = self.send_in(transaction, &statement).await?;
        self.claimed(&sent, record)
    }

    /// Stores the reply of a record that was claimed in this transaction.
    pub(crate) async fn settle_in(
        &self,
        transaction: &mut PgConnection,
        record: &RecordId,
        token: Token,
        reply: &Reply,
        ttl: Duration,
    ) -> Result<bool, PgBackendError> {
        let statement = self.settlement(record, token, reply, ttl)?;
        let sent = self.send_in(transaction, &statement).await?;
        sent.answer().map_err(|error| self.error(&error))
    }

    /// Removes a record that was claimed in this transaction. In one that has failed already that fails too, and it makes no difference:
    /// the record goes with it.
    pub(crate) async fn release_in(
        &self,
        transaction: &mut PgConnection,
        record: &RecordId,
        token: Token,
    ) -> Result<bool, PgBackendError> {
        let statement = sql::release(&self.0.table, record, token);
        Ok(self.send_in(transaction, &statement).await?.changed > 0)
    }

    async fn send_in(&self, transaction: &mut PgConnection, statement: &str) -> Result<Sent, PgBackendError> {
        let sent = send_over(transaction, statement).await;
        sent.map_err(|error| self.error(&error))
    }
}
