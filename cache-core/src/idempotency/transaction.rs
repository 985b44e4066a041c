//! Claim, handler and reply in one transaction of the caller's: whatever dies, either all of it is there or nothing.
//!
//! There is no task and no heartbeat: a claim that has not been committed lives as long as its transaction, and nobody else sees it. Others
//! learn that somebody has the record from a lock that goes with the transaction (see `postgres`).

use std::any::type_name;
use std::fmt;
use std::ops::ControlFlow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, Postgres, Transaction};

use super::backend::{Claim, Claimed, Token};
use super::call::Call;
use super::config::OnAbandoned;
use super::error::IdempotencyError;
use super::outcome::{Outcome, reply_of};
use super::patience::{Patience, Pauses};
use super::postgres::PgBackend;
use super::request::Request;
use super::store::IdempotencyStore;

impl IdempotencyStore<PgBackend> {
    /// Runs the handler in a transaction of the caller's, unless this request has run before. Its writes, and the reply, are there when the
    /// caller commits, and not before: so the request has exactly one effect, whatever dies.
    ///
    /// The handler gets the connection of the transaction. What it does elsewhere than in this transaction is not covered. It takes two
    /// statements more than the handler's own. While it runs, the transaction may not be idle for longer than the
    /// [`lease`](super::StoreBuilder::lease): then the server ends it, so that a worker that hangs does not keep the key.
    ///
    /// # Errors
    /// What the handler returns, or an [`IdempotencyError`] made into that. Roll back then: what the handler wrote is still in the transaction. If
    /// it is committed all the same, the key is free, as it is after a rollback, unless the error is one that is
    /// [stored](super::StoreBuilder::store_error).
    ///
    /// The transaction has to be `READ COMMITTED`, or the call is refused: under `REPEATABLE READ` it would not see what others have
    /// committed since it began.
    ///
    /// # Cancellation
    /// Roll back after dropping the call: then nothing has happened. Committed, the record would be that of a worker that died.
    ///
    /// # Example: an order and its reply, or neither
    /// ```no_run
    /// use cache_core::idempotency::{IdempotencyStore, PgBackend, Request};
    ///
    /// # #[derive(Debug)] struct OrderError;
    /// # impl From<sqlx::Error> for OrderError { fn from(_: sqlx::Error) -> Self { OrderError } }
    /// # impl From<cache_core::idempotency::IdempotencyError> for OrderError {
    /// #     fn from(_: cache_core::idempotency::IdempotencyError) -> Self { OrderError }
    /// # }
    /// # async fn example(pool: sqlx::PgPool, store: IdempotencyStore<PgBackend>, key: &str) -> Result<i64, OrderError> {
    /// let mut tx = pool.begin().await?;
    /// let request = Request::new("orders::create").scope("acme", "ada").key(key).payload("shoes");
    /// let outcome = store
    ///     .in_transaction(&mut tx, request, async |tx| {
    ///         let insert = sqlx::query_scalar("INSERT INTO orders (item) VALUES ('shoes') RETURNING id");
    ///         Ok::<i64, OrderError>(insert.fetch_one(tx).await?)
    ///     })
    ///     .await?;
    /// tx.commit().await?;
    /// # Ok(outcome.into_inner()) }
    /// ```
    pub async fn in_transaction<T, E>(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        request: Request,
        handler: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<Outcome<T>, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<IdempotencyError> + 'static,
    {
        match self.begin(tx, request).await {
            ControlFlow::Break(outcome) => outcome,
            ControlFlow::Continue(ticket) => {
                let result = handler(tx).await;
                ticket.end(tx, result).await
            }
        }
    }

    /// Claims the record. What follows is a reply, or the handler and then [`Ticket::end`].
    pub(crate) async fn begin<T, E>(
        &self,
        tx: &mut PgConnection,
        request: Request,
    ) -> ControlFlow<Result<Outcome<T>, E>, Ticket>
    where
        T: DeserializeOwned,
        E: From<IdempotencyError> + 'static,
    {
        let call = match Call::new::<E>(self, request) {
            Ok(Some(call)) => call,
            Ok(None) => return ControlFlow::Continue(Ticket(None)),
            Err(error) => return ControlFlow::Break(Err(error.into())),
        };
        let config = *self.config();
        let token = match Token::draw() {
            Ok(token) => token,
            Err(error) => return ControlFlow::Break(Err(error.into())),
        };
        let claim = Claim {
            token,
            payload: call.payload,
            lease: config.lease,
            ttl: config.ttl,
            takes_over: config.on_abandoned == OnAbandoned::Rerun,
        };
        let (mut patience, mut pauses) = (Patience::new(config.wait), Pauses::new());
        loop {
            let claimed = self.backend().claim_in(tx, &call.record, claim).await;
            if let Ok(Claimed::Ours { took_over }) = claimed {
                call.is_ours(took_over);
                return ControlFlow::Continue(Ticket(Some((call, token))));
            }
            match call.answer(claimed.map_err(Into::into), None) {
                ControlFlow::Break(outcome) => return ControlFlow::Break(outcome),
                ControlFlow::Continue(()) => {
                    if let Err(error) = call.pause(&mut patience, &mut pauses).await {
                        return ControlFlow::Break(Err(error.into()));
                    }
                }
            }
        }
    }
}

/// A claim in a transaction, or that there was no key.
pub(crate) struct Ticket(Option<(Call<PgBackend>, Token)>);

impl Ticket {
    /// Stores what came of the handler, in the same transaction.
    pub(crate) async fn end<T, E>(self, tx: &mut PgConnection, result: Result<T, E>) -> Result<Outcome<T>, E>
    where
        T: Serialize,
        E: From<IdempotencyError> + 'static,
    {
        let Some((call, token)) = self.0 else {
            return result.map(Outcome::Fresh);
        };
        let (store, record) = (&call.store, &call.record);
        let config = store.config();
        let Some(reply) = reply_of(&result, &call.rule, config.max_response_bytes) else {
            // If that fails, so has the transaction, and the claim goes with it.
            let _ = store.backend().release_in(tx, record, token).await;
            return result.map(Outcome::Fresh);
        };
        match store.backend().settle_in(tx, record, token, &reply, config.ttl).await {
            Ok(true) => result.map(Outcome::Fresh),
            Ok(false) => Err(call.lost().into()),
            Err(error) => Err(call.unsettled(Box::new(error)).into()),
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<Self>())
    }
}
