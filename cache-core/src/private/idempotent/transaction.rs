//! Handlers that run in the transaction of their caller.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use sqlx::{Postgres, Transaction};

use super::request::Store;
use super::returns::{Refuses, Returns, Stored};
use crate::idempotency::transaction::Ticket as Claimed;
use crate::idempotency::{Backend, IdempotencyStore, PgBackend, Request};

/// A backend whose records are written in the caller's transaction.
#[diagnostic::on_unimplemented(
    message = "a store of `{Self}` has no transactions",
    label = "`tx` needs an `IdempotencyStore<PgBackend>`",
    note = "leave `tx` out, or have the records in Postgres, with `PgBackend`"
)]
pub trait InPostgres: Backend + Sized {
    /// A store of such.
    fn store(store: &IdempotencyStore<Self>) -> IdempotencyStore<PgBackend>;
}

#[diagnostic::do_not_recommend]
impl InPostgres for PgBackend {
    fn store(store: &IdempotencyStore<Self>) -> IdempotencyStore<PgBackend> {
        store.clone()
    }
}

/// A store that has transactions.
pub fn store_in_postgres<S: Store<Backend: InPostgres> + ?Sized>(store: &S) -> IdempotencyStore<PgBackend> {
    S::Backend::store(store.store())
}

/// What `tx` names, if it is that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transaction of Postgres",
    label = "`tx` has to be a `&mut sqlx::Transaction<'_, Postgres>`",
    note = "the records are written in it, and committed with what the handler writes"
)]
pub trait AsTransaction<'c> {
    /// It.
    fn transaction(&mut self) -> &mut Transaction<'c, Postgres>;
}

#[diagnostic::do_not_recommend]
impl<'c> AsTransaction<'c> for Transaction<'c, Postgres> {
    fn transaction(&mut self) -> &mut Transaction<'c, Postgres> {
        self
    }
}

/// Lends the transaction.
pub fn lent<'t, 'c, T: AsTransaction<'c>>(tx: &'t mut T) -> &'t mut Transaction<'c, Postgres> {
    tx.transaction()
}

/// A claim in the caller's transaction.
#[derive(Debug)]
pub struct Ticket<R>(Claimed, PhantomData<fn(R)>);

/// Claims the record, or says what there is to return.
pub async fn begin<R>(
    store: &IdempotencyStore<PgBackend>,
    tx: &mut Transaction<'_, Postgres>,
    request: Request,
) -> ControlFlow<R::Outcome, Ticket<R>>
where
    R: Returns<Value: Stored, Error: Refuses + 'static>,
{
    match store.begin(tx, request).await {
        ControlFlow::Break(outcome) => ControlFlow::Break(R::outcome(outcome)),
        ControlFlow::Continue(claimed) => ControlFlow::Continue(Ticket(claimed, PhantomData)),
    }
}

impl<R: Returns<Value: Stored, Error: Refuses + 'static>> Ticket<R> {
    /// Stores what came of the handler.
    pub async fn end(self, tx: &mut Transaction<'_, Postgres>, result: R) -> R::Outcome {
        R::outcome(self.0.end(tx, result.result()).await)
    }
}
