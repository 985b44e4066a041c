//! `Revisions`: asking which revision tables have.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::runtime::Handle;

use super::ask::{Answer, all, answers, fetch, question};
use super::error::RevisionsError;
use super::install::{self, Plan};
use super::listen::{Listen, Listener, Listening};
use super::name::TableName;
use super::schema::FOLD;
use super::token::TableRevisions;

/// How long a table is tried to be locked each time, unless said otherwise.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Which revision tables of a Postgres database have: a value that changes with each commit that changed one of them.
///
/// A cheap clone of one thing. [`install`](Self::install) puts the triggers in place, [`revision`](Self::revision) asks.
///
/// # Example: two tables
/// ```no_run
/// # use cache_core::postgres::{Revisions, RevisionsError};
/// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
/// // At each start: what is in place already costs a look.
/// let revisions = Revisions::install(&pool, &["topics", "tasks"]).await?;
/// let revision = revisions.revision(&["topics", "tasks"]).await?;
/// println!("built from {revision}");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Revisions {
    pool: PgPool,
    /// Whether somebody is folding rows for us.
    folding: Arc<AtomicBool>,
    listener: Option<Arc<Listener>>,
}

impl Revisions {
    /// For tables that are installed already, maybe by another role: this one needs `GRANT USAGE ON SCHEMA cache_core` and no more.
    /// Asks nothing yet.
    ///
    /// # Example: a role that may not create anything
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(reader: sqlx::PgPool) -> Result<(), RevisionsError> {
    /// let revisions = Revisions::new(reader);
    /// let revision = revisions.revision(&["topics"]).await?;
    /// # Ok(()) }
    /// ```
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            folding: Arc::default(),
            listener: None,
        }
    }

    /// Sees to it that changes of these tables are counted, and does nothing if they are. For more than names, see
    /// [`builder`](Self::builder).
    ///
    /// Names are `table` or `schema.table`, exactly as in the catalog: upper case, spaces and keywords need no quotes. Without a
    /// schema they are looked up on the search path. Several processes can do this at once. What is watched stays so; to name fewer
    /// tables takes none away.
    ///
    /// The first time, each new table is locked for a moment, against writers and not against readers: see
    /// [`RevisionsBuilder::lock_timeout`]. After that nothing is locked or changed, so that it can run at each start.
    ///
    /// # Errors
    /// [`CannotWatch`](RevisionsError::CannotWatch) lists all tables that are missing, views, unlogged and so on, before anything is
    /// changed. [`Busy`](RevisionsError::Busy) if a table could not be locked; those before it are installed, and calling again goes
    /// on. [`Denied`](RevisionsError::Denied) if the role does not own the tables or may not create a schema.
    /// [`Newer`](RevisionsError::Newer), [`NoTables`](RevisionsError::NoTables), [`InvalidName`](RevisionsError::InvalidName),
    /// [`NoRuntime`](RevisionsError::NoRuntime), [`Database`](RevisionsError::Database).
    ///
    /// # Cancellation
    /// Each step is a transaction of its own that happens as a whole or not at all. To call again goes on from there.
    ///
    /// # Example: at the start of a service
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
    /// let revisions = Revisions::install(&pool, &["topics", "audit.events", "Order Items"]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn install(pool: &PgPool, tables: &[impl AsRef<str>]) -> Result<Self, RevisionsError> {
        Self::builder().install(pool, tables).await
    }

    /// Installing with options.
    ///
    /// # Example: with notifications
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
    /// let revisions = Revisions::builder().notify(true).install(&pool, &["topics"]).await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> RevisionsBuilder {
        RevisionsBuilder {
            plan: Plan {
                notify: false,
                lock_timeout: LOCK_TIMEOUT,
            },
        }
    }

    /// Removes all triggers, tables and functions that installing made, and the schema unless somebody has put other things into
    /// it. Does nothing if there is nothing. Each table is locked for a moment, against readers too.
    ///
    /// # Errors
    /// [`Busy`](RevisionsError::Busy) if a table could not be locked: calling again goes on.
    /// [`Denied`](RevisionsError::Denied), [`Newer`](RevisionsError::Newer), [`NoRuntime`](RevisionsError::NoRuntime),
    /// [`Database`](RevisionsError::Database).
    ///
    /// # Cancellation
    /// As with [`install`](Self::install).
    ///
    /// # Example: leaving nothing
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
    /// Revisions::uninstall(&pool).await?;
    /// # Ok(()) }
    /// ```
    pub async fn uninstall(pool: &PgPool) -> Result<(), RevisionsError> {
        needs_runtime()?;
        install::uninstall(pool, LOCK_TIMEOUT).await
    }

    /// Removes the triggers of these tables, and keeps those of others. Does nothing with tables that are not there or not watched.
    ///
    /// # Errors
    /// As [`uninstall`](Self::uninstall), and [`NoTables`](RevisionsError::NoTables) or
    /// [`InvalidName`](RevisionsError::InvalidName).
    ///
    /// # Cancellation
    /// As with [`install`](Self::install).
    ///
    /// # Example: one table less
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
    /// Revisions::uninstall_tables(&pool, &["tasks"]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn uninstall_tables(pool: &PgPool, tables: &[impl AsRef<str>]) -> Result<(), RevisionsError> {
        needs_runtime()?;
        let tables = TableName::parse_all(tables)?;
        install::uninstall_tables(pool, &tables, LOCK_TIMEOUT).await
    }

    /// The revision of these tables, in one round trip however many there are. A table that is named twice counts once, and their
    /// order makes no difference.
    ///
    /// Whatever was committed before this was called is in the revision. Read it **before** what is built from the tables, so that
    /// what is built is never taken for newer than it is.
    ///
    /// An idle connection of the pool is used as it is. The pool's own test of it would be another round trip; if it turns out to be
    /// lost, others are tried. That also leaves out the pool's `before_acquire`: where that sets the search path, name the schema.
    /// Tables and rows are not locked, and nothing that others lock is waited for.
    ///
    /// # Errors
    /// [`Unwatched`](RevisionsError::Unwatched) lists all tables that a change could go unseen of: missing, not installed, made anew
    /// since, with a trigger disabled. [`NotInstalled`](RevisionsError::NotInstalled), [`Denied`](RevisionsError::Denied),
    /// [`NoTables`](RevisionsError::NoTables), [`InvalidName`](RevisionsError::InvalidName),
    /// [`NoRuntime`](RevisionsError::NoRuntime), [`Database`](RevisionsError::Database).
    ///
    /// # Cancellation
    /// Can be dropped at any time.
    ///
    /// # Example: has anything changed?
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(revisions: Revisions) -> Result<(), RevisionsError> {
    /// let before = revisions.revision(&["topics", "tasks"]).await?;
    /// let changed = revisions.revision(&["topics", "tasks"]).await? != before;
    /// # Ok(()) }
    /// ```
    pub async fn revision(&self, tables: &[impl AsRef<str>]) -> Result<TableRevisions, RevisionsError> {
        if let Some(listener) = &self.listener
            && let Some(revisions) = listener.recall(tables)
        {
            return Ok(revisions);
        }
        needs_runtime()?;
        let tables = TableName::parse_all(tables)?;
        let answers = self.ask(&tables).await?;
        let revisions = TableRevisions::new(all(&tables, answers)?);
        if let Some(listener) = &self.listener {
            listener.learn(tables);
        }
        Ok(revisions)
    }

    /// Push mode: a handle that answers from memory as long as it is certain to be current, and asks otherwise. This one goes on
    /// asking.
    ///
    /// A task listens, over a connection of its own, until the last clone of the new handle is dropped. A table is in memory once it
    /// has been asked for. When a notification says that it changed, calls ask until the listener has asked itself. So an answer is no
    /// older than the notification's way here, some milliseconds, and no older than the [lease](Listen::lease) if the connection has
    /// died without a word. **It may not know yet what this very process has just committed:** evict with `#[invalidates]`, or ask the
    /// handle without a listener.
    ///
    /// Tables have to be installed with [`notify`](RevisionsBuilder::notify); for others calls go on asking, unless
    /// [`Listen::poll`] allows otherwise. Revisions are the same in both modes.
    ///
    /// # Errors
    /// [`NoRuntime`](RevisionsError::NoRuntime) outside of a tokio runtime, [`Lease`](RevisionsError::Lease) if the lease is not
    /// longer than the heartbeat. That the database cannot be reached is none: calls ask, and the listener tries again.
    ///
    /// # Example: no round trip while nothing changes
    /// ```no_run
    /// # use cache_core::postgres::{Listen, Revisions, RevisionsError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
    /// let revisions = Revisions::builder().notify(true).install(&pool, &["topics"]).await?;
    /// let revisions = revisions.listen(Listen::new())?;
    /// let revision = revisions.revision(&["topics"]).await?;
    /// # Ok(()) }
    /// ```
    pub fn listen(&self, options: Listen) -> Result<Self, RevisionsError> {
        let listener = Listener::start(&self.pool, options)?;
        Ok(Self {
            listener: Some(listener),
            ..self.clone()
        })
    }

    /// How the listener is doing; none without one.
    ///
    /// # Example: a health check
    /// ```no_run
    /// # use cache_core::postgres::Revisions;
    /// # fn example(revisions: Revisions) -> bool {
    /// revisions.listening().is_some_and(|listening| listening.is_current)
    /// # }
    /// ```
    pub fn listening(&self) -> Option<Listening> {
        Some(self.listener.as_ref()?.listening())
    }

    async fn ask(&self, tables: &[TableName]) -> Result<Vec<Answer>, RevisionsError> {
        let rows = fetch(&self.pool, &question(tables)).await?;
        let answers = answers(tables, &rows)?;
        if answers.iter().any(|answer| answer.fold) {
            self.fold();
        }
        Ok(answers)
    }

    /// Folds rows in the background, one at a time: writers do so themselves, but for those under REPEATABLE READ and above.
    fn fold(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.folding.swap(true, Ordering::AcqRel) {
            return;
        }
        let (pool, folding) = (self.pool.clone(), Folding(Arc::clone(&self.folding)));
        runtime.spawn(async move {
            let _folding = folding;
            // A standby cannot; the primary's readers will.
            if let Err(error) = sqlx::raw_sql(FOLD).execute(&pool).await {
                log::debug!("rows of cache_core.changes were not folded: {error}");
            }
        });
    }
}

/// Somebody is folding rows, until this is dropped: also if that is with his runtime.
struct Folding(Arc<AtomicBool>);

impl Drop for Folding {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Revisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Revisions");
        debug.field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// How to install; from [`Revisions::builder`].
///
/// # Example: both options
/// ```no_run
/// # use cache_core::postgres::{Revisions, RevisionsError};
/// # use std::time::Duration;
/// # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
/// let builder = Revisions::builder().notify(true).lock_timeout(Duration::from_millis(200));
/// let revisions = builder.install(&pool, &["topics", "tasks"]).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is installed before `install` is called"]
pub struct RevisionsBuilder {
    plan: Plan,
}

impl RevisionsBuilder {
    /// Whether the triggers also send notifications, which push mode needs. Not by default, because they cost the writers: Postgres
    /// lets transactions that notify commit one after the other, all of a cluster, and a transaction that has notified cannot be
    /// prepared (`PREPARE TRANSACTION`). To install again with another setting changes it.
    pub fn notify(mut self, notify: bool) -> Self {
        self.plan.notify = notify;
        self
    }

    /// For how long each attempt waits for the lock on a table: 1 s by default. As long as it waits, other writers to that table wait
    /// behind it. It is tried ten times.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.plan.lock_timeout = timeout;
        self
    }

    /// Installs, see [`Revisions::install`].
    ///
    /// # Errors
    /// As [`Revisions::install`].
    ///
    /// # Cancellation
    /// As with [`Revisions::install`].
    pub async fn install(self, pool: &PgPool, tables: &[impl AsRef<str>]) -> Result<Revisions, RevisionsError> {
        needs_runtime()?;
        install::install(pool, &TableName::parse_all(tables)?, self.plan).await?;
        Ok(Revisions::new(pool.clone()))
    }
}

/// Without a runtime, sqlx would panic.
pub(super) fn needs_runtime() -> Result<(), RevisionsError> {
    Handle::try_current().map(drop).map_err(|_| RevisionsError::NoRuntime)
}
