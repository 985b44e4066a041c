//! Sending a statement: one message, over a connection that may turn out to be lost.
//!
//! An idle connection is taken as it is: to test it first would be a second round trip. If it is lost, the next one is taken, so that a
//! restart of the server is no error once it is over. What was sent over the lost one may have been done, and is done again: everything that
//! is sent here comes to the same then. But it may also be under way still, which a claim has to know.

use futures_util::StreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Decode, Either, PgConnection, PgPool, Postgres, Row, Type};

use super::sql::READ_COMMITTED;
use crate::postgres::is_lost;

/// What a statement came to.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) rows: Vec<PgRow>,
    /// How many rows of the table it changed, if it is no call of a function.
    pub(super) changed: u64,
    /// The error of an earlier attempt at it, of which nobody knows what it came to.
    pub(super) lost: Option<sqlx::Error>,
}

impl Sent {
    /// The one value that a function was answered with.
    pub(super) fn answer<'a, T>(&'a self) -> Result<T, sqlx::Error>
    where
        T: Decode<'a, Postgres> + Type<Postgres>,
    {
        self.rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
    }
}

/// Sends a statement that is a transaction of its own.
pub(super) async fn send(pool: &PgPool, statement: &str) -> Result<Sent, sqlx::Error> {
    let message = format!("{READ_COMMITTED}{statement}");
    let mut lost = None;
    for _ in 0..pool.size() {
        let Some(mut connection) = pool.try_acquire() else {
            break;
        };
        match send_over(&mut connection, &message).await {
            Err(error) if is_lost(&error) => {
                connection.close_on_drop();
                lost = Some(error);
            }
            sent => return Ok(Sent { lost, ..sent? }),
        }
    }
    let sent = send_over(&mut *pool.acquire().await?, &message).await?;
    Ok(Sent { lost, ..sent })
}

/// Sends a statement over this connection, in whatever transaction that is.
pub(super) async fn send_over(connection: &mut PgConnection, statement: &str) -> Result<Sent, sqlx::Error> {
    let mut answers = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).fetch_many(connection);
    let mut sent = Sent::default();
    while let Some(answer) = answers.next().await {
        match answer? {
            Either::Left(done) => sent.changed += done.rows_affected(),
            Either::Right(row) => sent.rows.push(row),
        }
    }
    Ok(sent)
}
