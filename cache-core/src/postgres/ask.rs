//! The question for revisions: one message to the server and one answer, however many tables.
//!
//! It is sent by the simple protocol: there is nothing to prepare first, and nothing prepared that a pooler in transaction mode
//! could mix up. The isolation level is said with it, because a reader under SERIALIZABLE would take part in the conflicts of the
//! writers, and could make one of them fail.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres, Row};

use super::error::{RevisionsError, Unwatched, Why, is_lost};
use super::name::TableName;
use super::token::TableRevision;

/// From so many rows of one table on, a reader folds them: the writers do not seem to.
const MANY: i64 = 2_000;

/// What the database said of a table.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) revision: Result<Arc<TableRevision>, Why>,
    /// By which number its notifications are known, if there are any.
    pub(super) notifies: Option<i32>,
    /// Whether its rows should be folded.
    pub(super) fold: bool,
}

/// The question for these tables.
pub(super) fn question(tables: &[TableName]) -> String {
    format!(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; \
         SELECT place, id, notify, commits, mark, pieces, state, fault FROM cache_core.revisions({})",
        TableName::array(tables)
    )
}

/// Asks over a connection of this pool.
///
/// One that is idle is taken as it is: to test it first would be a second round trip. If it turns out to be lost, the next one is
/// taken, so that a restart of the server is no error once it is over.
pub(super) async fn fetch(pool: &PgPool, question: &str) -> Result<Vec<PgRow>, sqlx::Error> {
    for _ in 0..pool.size() {
        let Some(mut connection) = pool.try_acquire() else {
            break;
        };
        match fetch_from(&mut *connection, question).await {
            Err(error) if is_lost(&error) => connection.close_on_drop(),
            answer => return answer,
        }
    }
    fetch_from(&mut *pool.acquire().await?, question).await
}

pub(super) async fn fetch_from<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    question: &str,
) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(question.to_owned()))
        .fetch_all(executor)
        .await
}

/// What the rows say of these tables, in their order.
pub(super) fn answers(tables: &[TableName], rows: &[PgRow]) -> Result<Vec<Answer>, sqlx::Error> {
    let mut answers: Vec<Option<Answer>> = tables.iter().map(|_| None).collect();
    for row in rows {
        let place = usize::try_from(row.try_get::<i64, _>("place")?)
            .unwrap_or(0)
            .wrapping_sub(1);
        if let (Some(table), Some(answer)) = (tables.get(place), answers.get_mut(place)) {
            *answer = Some(Answer::read(table, row)?);
        }
    }
    let missing = || sqlx::Error::Protocol("the answer lacks a table that was asked for".into());
    answers.into_iter().map(|answer| answer.ok_or_else(missing)).collect()
}

impl Answer {
    fn read(table: &TableName, row: &PgRow) -> Result<Self, sqlx::Error> {
        let id: Option<i32> = row.try_get("id")?;
        let state: Option<String> = row.try_get("state")?;
        let fault: Option<String> = row.try_get("fault")?;
        let (commits, mark) = (row.try_get("commits")?, row.try_get("mark")?);
        let revision = match (id, state, fault) {
            (_, None, _) => Err(Why::NotThere),
            (None, ..) => Err(Why::NotInstalled),
            (_, _, Some(fault)) => Err(Why::from_fault(&fault)),
            (Some(id), Some(state), None) => Ok(Arc::new(TableRevision {
                name: Arc::clone(&table.given),
                id,
                commits,
                mark,
                state: state.into(),
            })),
        };
        let notify: Option<bool> = row.try_get("notify")?;
        Ok(Self {
            revision,
            notifies: id.filter(|_| notify == Some(true)),
            fold: row.try_get::<i64, _>("pieces")? > MANY,
        })
    }
}

/// The revisions of all, or everything that is wrong with any.
pub(super) fn all(tables: &[TableName], answers: Vec<Answer>) -> Result<Vec<Arc<TableRevision>>, RevisionsError> {
    let mut revisions = Vec::with_capacity(tables.len());
    let mut unwatched = Vec::new();
    for (table, answer) in tables.iter().zip(answers) {
        match answer.revision {
            Ok(revision) => revisions.push(revision),
            Err(why) => unwatched.push(Unwatched {
                table: table.given.to_string(),
                why,
            }),
        }
    }
    if unwatched.is_empty() {
        Ok(revisions)
    } else {
        Err(RevisionsError::Unwatched(unwatched))
    }
}
