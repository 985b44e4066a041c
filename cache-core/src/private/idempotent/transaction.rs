//! Handlers that run in the transaction of their caller.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use sqlx::{Postgres, Transaction};

use super::returns::{Refuses, Returns, Stored};
use crate::idempotency::{Backend, IdempotencyStore, Request};

/// A backend whose records are written in the caller's transaction.
#[diagnostic::on_unimplemented(
    message = "a store of `{Self}` has no transactions",
    label = "`tx` needs an `IdempotencyStore<PgBackend>`",
    note = "leave `tx` out, or have the records in Postgres, with `PgBackend`"
)]
pub trait InTransaction: Backend {}

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

/// A request that is ours.
#[derive(Debug)]
pub struct Ticket<R>(PhantomData<R>);

/// Claims the record in the caller's transaction, or says what there is to return.
pub async fn begin<R>(
    _store: &IdempotencyStore<impl InTransaction>,
    _tx: &mut Transaction<'_, Postgres>,
    _request: Request,
) -> ControlFlow<R::Outcome, Ticket<R>>
where
    R: Returns<Value: Stored, Error: Refuses + 'static>,
{
    todo!("not there yet")
}

impl<R: Returns<Value: Stored, Error: Refuses + 'static>> Ticket<R> {
    /// Settles the record in the caller's transaction.
    pub async fn end(self, _tx: &mut Transaction<'_, Postgres>, _result: R) -> R::Outcome {
        todo!("not there yet")
    }
}
