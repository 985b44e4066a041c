//! Push mode: a listener keeps revisions in memory, so that most calls ask nothing.
//!
//! # When memory may answer
//! One task with a connection of its own listens for notifications and asks for the revisions of all tables that it knows, once a
//! heartbeat. An answer in memory may be given if both hold:
//!
//! 1. No notification for that table has come since the question was sent that it answers.
//! 2. The question was sent less than a lease ago.
//!
//! The first makes it no older than the notifications that have come; the second bounds its age when a connection has died without
//! a word, so that none come. Everything else (starting, lost, a table that is new or has just changed) asks the database. Both ways
//! give the same revisions, so that going from one to the other rebuilds nothing.
//!
//! # Why no notification is missed
//! The server sends those of a commit only once its snapshots see it, and not while it answers a question. So a notification that
//! was sent before an answer was in it, and one that comes after makes it dirty. Which of them came while the answer was read
//! cannot be told from outside, so all of these count as later: that costs a question, and no staleness.

mod memory;
mod task;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::error::RevisionsError;
use super::name::TableName;
use super::token::TableRevisions;
use memory::Memory;

const HEARTBEAT: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(2);
/// As good as for ever, and no clock runs over.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How to listen; for [`Revisions::listen`](super::Revisions::listen).
///
/// # Example: through a pooler, which listening does not work through
/// ```no_run
/// # use cache_core::postgres::{Listen, Revisions, RevisionsError};
/// # fn example(revisions: Revisions) -> Result<(), Box<dyn std::error::Error>> {
/// let direct = "postgres://app@db.internal:5432/app".parse()?;
/// let revisions = revisions.listen(Listen::new().connection(direct))?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "hand it to `Revisions::listen`"]
pub struct Listen {
    connection: Option<PgConnectOptions>,
    heartbeat: Duration,
    lease: Duration,
    poll: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Self::new()
    }
}

impl Listen {
    /// A heartbeat of 1 s, a lease of 2 s, a connection like those of the pool, and nothing in memory of tables that are installed
    /// without notifications.
    pub fn new() -> Self {
        Self {
            connection: None,
            heartbeat: HEARTBEAT,
            lease: LEASE,
            poll: false,
        }
    }

    /// What to connect to, if not to what the pool connects to. Has to be the same database, with the same search path unless names
    /// have schemas, and not by way of a pooler in transaction mode.
    pub fn connection(mut self, options: PgConnectOptions) -> Self {
        self.connection = Some(options);
        self
    }

    /// How often all revisions are read again: 1 s by default. What sends no notification (`ALTER TABLE`, a truncated partition that
    /// was attached after installing) is found by that.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// How old an answer from memory can be at most, also if the connection is dead without a word: 2 s by default. Longer than the
    /// heartbeat.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Whether memory also answers for tables that are installed without notifications, which then are seen to have changed a heartbeat
    /// later, or a lease at most. Not by default: calls for them ask the database. Costs the writers nothing.
    pub fn poll(mut self, poll: bool) -> Self {
        self.poll = poll;
        self
    }
}

/// How a listener is doing, from [`Revisions::listening`](super::Revisions::listening).
///
/// # Example: for monitoring
/// ```no_run
/// # use cache_core::postgres::Revisions;
/// # fn example(revisions: Revisions) {
/// if let Some(listening) = revisions.listening()
///     && !listening.is_current
/// {
///     eprintln!("calls ask the database: {:?}", listening.last_error);
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listening {
    /// Whether it is connected, and its last question was answered within the lease. If not, every call asks.
    pub is_current: bool,
    /// How many tables it knows: those that were asked for since it started.
    pub tables: usize,
    /// For how many of these memory can answer right now.
    pub in_memory: usize,
    /// How many notifications have come.
    pub notifications: u64,
    /// How often it was connected.
    pub connections: u64,
    /// How long its last question took.
    pub round_trip: Option<Duration>,
    /// Why it is not connected, until it is again.
    pub last_error: Option<RevisionsError>,
}

/// The listener of some handles; ends with the last of them.
pub(super) struct Listener {
    memory: Arc<Memory>,
    task: AbortHandle,
}

impl Listener {
    pub(super) fn start(pool: &PgPool, mut options: Listen) -> Result<Arc<Self>, RevisionsError> {
        let (heartbeat, lease) = (options.heartbeat, options.lease);
        if heartbeat.is_zero() || lease <= heartbeat {
            return Err(RevisionsError::Lease { heartbeat, lease });
        }
        options.heartbeat = heartbeat.min(FOR_EVER);
        options.lease = lease.min(FOR_EVER);
        let lease = options.lease;
        let runtime = Handle::try_current().map_err(|_| RevisionsError::NoRuntime)?;
        let memory = Arc::new(Memory::new(lease, options.poll));
        let connector = task::Connector::new(pool, options);
        let task = runtime.spawn(task::run(Arc::clone(&memory), connector)).abort_handle();
        Ok(Arc::new(Self { memory, task }))
    }

    /// What memory knows of these tables, if it may say so.
    pub(super) fn recall(&self, tables: &[impl AsRef<str>]) -> Option<TableRevisions> {
        self.memory.recall(tables)
    }

    /// Has these tables in memory from now on.
    pub(super) fn learn(&self, tables: Vec<TableName>) {
        self.memory.learn(tables);
    }

    pub(super) fn listening(&self) -> Listening {
        self.memory.listening()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.listening()).finish()
    }
}
