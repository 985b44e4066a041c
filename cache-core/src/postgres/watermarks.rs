//! The maximum of a column as a revision, for those who may not create triggers.

use std::fmt;
use std::sync::Arc;

use sqlx::{PgPool, Row};

use super::ask::fetch;
use super::error::RevisionsError;
use super::name::{TableName, quoted};
use super::revisions::needs_runtime;
use crate::revision::RevisionSource;

/// The maximum of a column of some tables, such as the time of the last change. A cheap clone of one thing.
///
/// It needs no more than the right to select, and an index on each column if it is to be fast. [`Revisions`](super::Revisions) see
/// everything; **this does not see**
/// - a row that is deleted, unless it held the maximum, and a truncation of what is filled again up to the same;
/// - a change that does not move the column to a new maximum: one that leaves it alone, one of an equal time (`now()` is the start of the
///   transaction), one of a row that stays below;
/// - a transaction that commits late: one that began earlier, took its time or number then, and commits when a later one has already
///   been seen. That is so for `now()`, sequences and application clocks alike.
///
/// So give what is built from it a TTL, or a `max_stale`, that you can live with.
///
/// # Example: two tables
/// ```no_run
/// # use cache_core::postgres::{RevisionsError, Watermarks};
/// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
/// let watermarks = Watermarks::max(&pool, [("topics", "updated_at"), ("audit.events", "id")])?;
/// let before = watermarks.revision().await?;
/// let changed = watermarks.revision().await? != before;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Watermarks {
    pool: PgPool,
    question: Arc<str>,
    columns: usize,
}

impl Watermarks {
    /// The maximum of each of these columns, given as table and column. Asks nothing yet. Names are as with
    /// [`Revisions::install`](super::Revisions::install).
    ///
    /// # Errors
    /// [`NoTables`](RevisionsError::NoTables), [`InvalidName`](RevisionsError::InvalidName).
    pub fn max<T, C>(pool: &PgPool, columns: impl IntoIterator<Item = (T, C)>) -> Result<Self, RevisionsError>
    where
        T: AsRef<str>,
        C: AsRef<str>,
    {
        let mut question = String::from("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; SELECT ");
        let mut number = 0;
        for (table, column) in columns {
            let table = TableName::parse(table.as_ref())?;
            let column = quoted(column.as_ref()).map_err(|why| RevisionsError::InvalidName {
                name: column.as_ref().to_owned(),
                why,
            })?;
            let separator = if number == 0 { "" } else { ", " };
            question += separator;
            question += &[
                "(SELECT pg_catalog.max(",
                &column,
                ")::pg_catalog.text FROM ",
                &table.sql,
                ")",
            ]
            .concat();
            number += 1;
        }
        if number == 0 {
            return Err(RevisionsError::NoTables);
        }
        Ok(Self {
            pool: pool.clone(),
            question: question.into(),
            columns: number,
        })
    }

    /// The maxima as they are now, in one round trip.
    ///
    /// # Errors
    /// [`Database`](RevisionsError::Database), also if a table or column is not there or a column has no maximum;
    /// [`Denied`](RevisionsError::Denied); [`NoRuntime`](RevisionsError::NoRuntime).
    ///
    /// # Cancellation
    /// Can be dropped at any time.
    ///
    /// # Example: what it is
    /// ```no_run
    /// # use cache_core::postgres::{RevisionsError, Watermarks};
    /// # async fn example(watermarks: Watermarks) -> Result<(), RevisionsError> {
    /// println!("{}", watermarks.revision().await?); // 2026-11-21 17:00:00+00, 815
    /// # Ok(()) }
    /// ```
    pub async fn revision(&self) -> Result<WatermarkRevision, RevisionsError> {
        needs_runtime()?;
        let rows = match fetch(&self.pool, &self.question).await {
            // Here it is not ours that is missing.
            Err(error) if super::error::code(&error).as_deref() != Some("42501") => {
                return Err(RevisionsError::Database(Arc::new(error)));
            }
            rows => rows?,
        };
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let maxima = (0..self.columns).map(|number| row.try_get::<Option<String>, _>(number));
        let maxima = maxima.map(|maximum| Ok(maximum?.map(String::into_boxed_str)));
        Ok(WatermarkRevision(maxima.collect::<Result<_, sqlx::Error>>()?))
    }
}

impl RevisionSource for Watermarks {
    type Revision = WatermarkRevision;
    type Error = RevisionsError;

    async fn revision(&self) -> Result<WatermarkRevision, RevisionsError> {
        Watermarks::revision(self).await
    }
}

impl fmt::Debug for Watermarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Watermarks");
        debug.field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// The maxima of the columns of [`Watermarks`], each as Postgres writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WatermarkRevision(Arc<[Option<Box<str>>]>);

impl fmt::Display for WatermarkRevision {
    /// For people: the maxima, in the order in which the columns were given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, maximum) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{}", maximum.as_deref().unwrap_or("none"))?;
        }
        Ok(())
    }
}
