//! The database: twelve tables, what is read of them, and what a writer does to them.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use cache_core::postgres::{Revisions, RevisionsError, TableRevisions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool};
use tokio::sync::Mutex;

use crate::count::Counted;
use crate::postgres;

/// What the core of the summary is made of.
pub(crate) const CORE: &[&str] = &[
    "topics",
    "tasks",
    "users",
    "teams",
    "milestones",
    "labels",
    "comments",
    "attachments",
    "decisions",
    "risks",
    "budgets",
];

/// What its tail is made of.
pub(crate) const TAIL: &[&str] = &["progress_events"];

const SCHEMA: &str = "state_summary_example";

pub(crate) fn all_tables() -> Vec<&'static str> {
    [CORE, TAIL].concat()
}

/// What can go wrong.
#[derive(Clone, Debug)]
pub(crate) enum DbError {
    Query(Arc<sqlx::Error>),
    Revision(RevisionsError),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(error) => error.fmt(f),
            Self::Revision(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DbError {}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Query(Arc::new(error))
    }
}

impl From<RevisionsError> for DbError {
    fn from(error: RevisionsError) -> Self {
        Self::Revision(error)
    }
}

/// The core of the summary.
#[derive(Debug, PartialEq)]
pub(crate) struct Core {
    /// How many rows each table has.
    pub(crate) rows: Vec<(&'static str, i64)>,
    /// The latest of some of them.
    pub(crate) latest: Vec<String>,
    /// The topic that the writer renames.
    pub(crate) topic: String,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) title: String,
}

#[derive(Clone)]
pub(crate) struct Db {
    pool: PgPool,
    revisions: Revisions,
    /// Whose queries these are.
    counted: Counted,
    /// What the scheme without revisions has kept.
    kept: Arc<Mutex<Option<Kept>>>,
}

/// The latest change of each table, and what was made then.
type Kept = (Vec<Option<String>>, Arc<Core>);

impl Db {
    pub(crate) fn new(pool: PgPool, revisions: Revisions) -> Self {
        Self {
            pool,
            revisions,
            counted: Counted::default(),
            kept: Arc::default(),
        }
    }

    /// The same for one request, whose queries are counted.
    pub(crate) fn of_request(&self) -> (Self, Counted) {
        let counted = Counted::default();
        let db = Self {
            counted: counted.clone(),
            ..self.clone()
        };
        (db, counted)
    }

    /// The revision of all twelve tables.
    pub(crate) async fn revision(&self) -> Result<TableRevisions, DbError> {
        let tables = all_tables();
        Ok(self.counted.count(self.revisions.revision(&tables)).await?)
    }

    /// Twenty queries.
    pub(crate) async fn core(&self) -> Result<Arc<Core>, DbError> {
        self.counted.count(self.twenty()).await
    }

    async fn twenty(&self) -> Result<Arc<Core>, DbError> {
        let mut rows = Vec::new();
        for table in CORE {
            let count = format!("SELECT count(*) FROM {table}");
            rows.push((
                *table,
                sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&self.pool).await?,
            ));
        }
        let mut latest = Vec::new();
        for table in &CORE[1..9] {
            let title = format!("SELECT title FROM {table} ORDER BY updated_at DESC, id DESC LIMIT 1");
            latest.extend(
                sqlx::query_scalar(AssertSqlSafe(title))
                    .fetch_optional(&self.pool)
                    .await?,
            );
        }
        let topic = sqlx::query_scalar("SELECT title FROM topics WHERE id = 1")
            .fetch_one(&self.pool)
            .await?;
        Ok(Arc::new(Core { rows, latest, topic }))
    }

    /// One.
    pub(crate) async fn tail(&self) -> Result<Arc<Vec<Event>>, DbError> {
        let latest = sqlx::query_as("SELECT id, title FROM progress_events ORDER BY id DESC LIMIT 20");
        let rows: Vec<(i64, String)> = self.counted.count(latest.fetch_all(&self.pool)).await?;
        Ok(Arc::new(
            rows.into_iter().map(|(id, title)| Event { id, title }).collect(),
        ))
    }

    /// The scheme that this replaces: each table is asked for its latest change, and the tail is not kept at all. Thirteen queries,
    /// if nothing has changed.
    pub(crate) async fn by_watermarks(&self) -> Result<bool, DbError> {
        let mut marks: Vec<Option<String>> = Vec::new();
        for table in all_tables() {
            let mark = format!("SELECT max(updated_at)::text FROM {table}");
            let mark = sqlx::query_scalar(AssertSqlSafe(mark));
            marks.push(self.counted.count(mark.fetch_one(&self.pool)).await?);
        }
        // That of the tail is of no use: it is read in any case.
        marks.truncate(CORE.len());
        let is_hit = matches!(&*self.kept.lock().await, Some((of, _)) if *of == marks);
        if !is_hit {
            let core = self.core().await?;
            *self.kept.lock().await = Some((marks, core));
        }
        self.tail().await?;
        Ok(is_hit)
    }

    pub(crate) async fn add_event(&self, title: &str) -> Result<(), DbError> {
        sqlx::query("INSERT INTO progress_events (title) VALUES ($1)")
            .bind(title)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn rename_topic(&self, title: &str) -> Result<(), DbError> {
        sqlx::query("UPDATE topics SET title = $1, updated_at = clock_timestamp() WHERE id = 1")
            .bind(title)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Waits until the listener, if there is one, can answer from memory.
    pub(crate) async fn is_certain(&self, listens: bool) {
        let tables = all_tables().len();
        while listens && self.revisions.listening().is_some_and(|it| it.in_memory < tables) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Adds an event. If there is a listener, waits until it has been told and knows the tables again.
    pub(crate) async fn add_event_and_wait(&self, title: &str) -> Result<(), DbError> {
        let told = self.told();
        self.add_event(title).await?;
        self.is_told_after(told).await;
        Ok(())
    }

    /// Renames a topic, likewise.
    pub(crate) async fn rename_topic_and_wait(&self, title: &str) -> Result<(), DbError> {
        let told = self.told();
        self.rename_topic(title).await?;
        self.is_told_after(told).await;
        Ok(())
    }

    /// How many notifications have come.
    fn told(&self) -> Option<u64> {
        Some(self.revisions.listening()?.notifications)
    }

    async fn is_told_after(&self, told: Option<u64>) {
        while told.is_some() && self.told() == told {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.is_certain(told.is_some()).await;
    }
}

/// The database of `DATABASE_URL`, or of a server that is thrown away.
pub(crate) async fn connect() -> Result<PgPool, Box<dyn std::error::Error>> {
    let options: PgConnectOptions = match std::env::var("DATABASE_URL") {
        Ok(url) => url.parse().map_err(|error| format!("DATABASE_URL: {error}"))?,
        Err(_) => postgres::server().new_database().await,
    };
    let options = options.options([("search_path", SCHEMA)]);
    // A pool would try until its patience ends, and not say what for.
    let connection = options.connect().await;
    let connection = connection.map_err(|error| format!("cannot connect to the database: {error}"))?;
    connection.close().await?;
    Ok(PgPoolOptions::new().max_connections(12).connect_with(options).await?)
}

pub(crate) async fn set_up(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut script = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA};");
    for table in all_tables() {
        let _ = write!(
            script,
            "CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL,
                updated_at timestamptz NOT NULL DEFAULT clock_timestamp());
             CREATE INDEX ON {table} (updated_at);
             INSERT INTO {table} (title) SELECT '{table} ' || n FROM generate_series(1, 2000) AS n;"
        );
    }
    sqlx::raw_sql(AssertSqlSafe(script)).execute(pool).await?;
    Ok(())
}

/// Leaves nothing, and what others have installed.
pub(crate) async fn tear_down(pool: &PgPool) -> Result<(), Box<dyn std::error::Error>> {
    Revisions::uninstall_tables(pool, &all_tables()).await?;
    let watched = sqlx::query_scalar("SELECT EXISTS (SELECT FROM cache_core.watched)");
    if !watched.fetch_one(pool).await.unwrap_or(true) {
        Revisions::uninstall(pool).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")))
        .execute(pool)
        .await?;
    Ok(())
}
