//! What can go wrong with revisions, and what to do about it.

use std::fmt;
use std::sync::Arc;

use super::schema::VERSION;

/// Why there is no revision, or why tables cannot be watched. Cheap to clone, so that all who wait for one revision can have it.
///
/// # Example: telling what is missing from what will pass
/// ```
/// use cache_core::postgres::RevisionsError;
///
/// fn will_pass(error: &RevisionsError) -> bool {
///     matches!(error, RevisionsError::Database(_) | RevisionsError::Busy { .. })
/// }
/// assert!(!will_pass(&RevisionsError::NoTables));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RevisionsError {
    /// No tables were named: what depends on none would never be found changed.
    #[error("name at least one table: what depends on none would never be found changed")]
    NoTables,
    /// A name that is not `table` or `schema.table`.
    #[error("`{}` is not the name of a table or column: {why}", .name.escape_debug())]
    InvalidName {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A change of some of these tables could go unseen, so there is no revision of them. All that were asked for are listed.
    #[error("a change of these tables could go unseen: {}", list(.0))]
    Unwatched(Vec<Unwatched>),
    /// Some of the tables cannot be watched, so nothing was installed. All of them are listed.
    #[error("these tables cannot be watched, so nothing was installed: {}", list(.0))]
    CannotWatch(Vec<Unwatched>),
    /// A revision was asked for a part that it does not have: the names of those tables.
    #[error("this revision is not of {}: name them where it is read, in `Revisions::revision`", names(.0))]
    NotRead(Vec<String>),
    /// The database has no schema `cache_core`.
    #[error(
        "revisions are not installed in this database: run `Revisions::install` with a role that may create a schema"
    )]
    NotInstalled,
    /// A newer version of this library has installed them.
    #[error(
        "this database has version {found} of the revisions, and this build of cache-core knows up to {VERSION}: use the one \
         that installed them"
    )]
    Newer {
        /// The version that is installed.
        found: i32,
    },
    /// A table was in use for as long as it was tried to lock it.
    #[error(
        "`{table}` was in use each of the {attempts} times it was tried to lock it: look for long transactions in \
         pg_stat_activity, or allow more with `lock_timeout`"
    )]
    Busy {
        /// The table that could not be locked.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The role lacks a right.
    #[error(
        "{message}: to read, a role needs `GRANT USAGE ON SCHEMA cache_core`; to install, it has to own schema and tables"
    )]
    Denied {
        /// What Postgres said.
        message: String,
    },
    /// Called from outside of a tokio runtime.
    #[error("there is no tokio runtime here: call this from a task of one, which the connections need")]
    NoRuntime,
    /// Options of a listener that contradict each other.
    #[error(
        "a listener's lease of {lease:?} has to be longer than its heartbeat of {heartbeat:?}, and that than nothing"
    )]
    Lease {
        /// As it was set.
        heartbeat: std::time::Duration,
        /// As it was set.
        lease: std::time::Duration,
    },
    /// The database could not be reached, or failed.
    #[error("the database did not answer with a revision: {0}")]
    Database(#[source] Arc<sqlx::Error>),
}

/// A table of which a change could go unseen.
///
/// # Example: what a person reads
/// ```
/// use cache_core::postgres::{Unwatched, Why};
///
/// let topics = Unwatched { table: "topics".into(), why: Why::NotThere };
/// assert_eq!(topics.to_string(), "`topics` (there is no such table)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwatched {
    /// The name it was asked for by.
    pub table: String,
    /// Why a change of it could go unseen.
    pub why: Why,
}

/// Why a change of a table could go unseen. `on` is the table itself, or its partition or child.
///
/// # Example: what a person reads
/// ```
/// use cache_core::postgres::Why;
///
/// let why = Why::Disabled { on: "topics".into() };
/// assert_eq!(why.to_string(), "the trigger on topics is disabled: run `Revisions::install` again");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// There is no table of this name, or the search path does not lead to it.
    NotThere,
    /// It was never installed, or dropped and made anew since.
    NotInstalled,
    /// Its trigger was dropped, or it is a child that came later.
    NoTrigger {
        /// Where it is missing.
        on: String,
    },
    /// Its trigger is disabled, or does not fire for replication.
    Disabled {
        /// Where it is disabled.
        on: String,
    },
    /// It is unlogged, so a crash empties it without a word, or temporary.
    NotLogged {
        /// What is not logged.
        on: String,
    },
    /// It is a view, foreign table or the like, which has no triggers that see all changes.
    NotATable {
        /// What is no table.
        on: String,
    },
    /// It belongs to Postgres, or to the revisions themselves.
    System,
}

impl Why {
    /// What the letter stands for that `schema.sql` gives.
    pub(super) fn from_fault(fault: &str) -> Self {
        let (letter, on) = fault.split_once(' ').unwrap_or((fault, ""));
        let on = on.to_owned();
        match letter {
            "d" => Self::Disabled { on },
            "u" => Self::NotLogged { on },
            "k" => Self::NotATable { on },
            "s" => Self::System,
            "n" => Self::NotThere,
            _ => Self::NoTrigger { on },
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("there is no such table"),
            Self::NotInstalled => f.write_str("not installed: run `Revisions::install` with it"),
            Self::NoTrigger { on } => write!(f, "{on} has no trigger: run `Revisions::install` again"),
            Self::Disabled { on } => {
                write!(f, "the trigger on {on} is disabled: run `Revisions::install` again")
            }
            Self::NotLogged { on } => write!(
                f,
                "{on} is unlogged or temporary: a crash would empty it without a word"
            ),
            Self::NotATable { on } => write!(f, "{on} is not an ordinary or partitioned table"),
            Self::System => f.write_str("it belongs to Postgres, or to the revisions themselves"),
        }
    }
}

impl fmt::Display for Unwatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.table, self.why)
    }
}

fn names(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn list(tables: &[Unwatched]) -> String {
    let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
    tables.join(", ")
}

/// The SQLSTATE, if the server sent one.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the connection has gone, so that another one may do better.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // Connection exceptions; shut down, crashed, terminated.
        error => code(error).is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
    }
}

impl From<sqlx::Error> for RevisionsError {
    fn from(error: sqlx::Error) -> Self {
        match code(&error).as_deref() {
            // No such schema, function or table.
            Some("3F000" | "42883" | "42P01") => Self::NotInstalled,
            Some("42501") => Self::Denied {
                message: error
                    .as_database_error()
                    .map_or_else(String::new, |error| error.message().to_owned()),
            },
            _ => Self::Database(Arc::new(error)),
        }
    }
}
