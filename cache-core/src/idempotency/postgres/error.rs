//! What can go wrong with records in Postgres, and what to do about it.
//!
//! Errors end in logs, so none holds a row, a statement or anything that was quoted from one. `sqlx` shows all of what the server sent when
//! its error is printed by `{:?}`, the detail with the values of a row among it. So its errors are not kept: what is kept is the SQLSTATE
//! and the message, which name tables and columns.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::functions::Functions;
use crate::idempotency::record::RecordId;

/// Why a record could not be kept in Postgres, or read there. Cheap to clone. It shows neither keys nor replies, however it is printed.
///
/// # Example: telling what will pass from what somebody has to see to
/// ```
/// use cache_core::idempotency::PgBackendError;
///
/// fn will_pass(error: &PgBackendError) -> bool {
///     matches!(error, PgBackendError::Database(_))
/// }
/// assert!(!will_pass(&PgBackendError::NoTable { table: "idempotency_records".into() }));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PgBackendError {
    /// A name that a table of records cannot have.
    #[error(
        "`{}` cannot be the name of the table: use at most 63 of a to z, 0 to 9 and _, the first of them no digit", .name.escape_debug()
    )]
    InvalidTable {
        /// As it was given.
        name: String,
    },
    /// There is no such table on the role's search path.
    #[error("there is no table `{table}` on the search path: run `PgBackend::create_schema`")]
    NoTable {
        /// Its name.
        table: String,
    },
    /// A function that stands beside the table is missing: the table was made by another version of this library, or by hand.
    #[error(
        "there is no function `{function}` on the search path: run `PgBackend::create_schema`, or what `PgBackend::check_schema` says"
    )]
    NoFunction {
        /// Its name.
        function: String,
    },
    /// The table is not as it has to be. All that is wrong is listed.
    #[error("the table of idempotency records is not as it has to be: {}", list(.0))]
    Drift(Vec<PgFault>),
    /// A statement did not fit the table.
    #[error("the table of idempotency records is not as it has to be: {message}: run `PgBackend::check_schema`")]
    Unfit {
        /// What Postgres said.
        message: String,
    },
    /// The transaction that a claim was to be part of is of another isolation level. Nothing was written.
    #[error(
        "the transaction is {}, and a claim needs READ COMMITTED, to see what others have committed: begin it with \
         `BEGIN ISOLATION LEVEL READ COMMITTED`", .found.to_uppercase()
    )]
    Isolation {
        /// As Postgres names it.
        found: String,
    },
    /// The functions beside the table do not answer as they have to.
    #[error("the answer to a claim of request {record} cannot be read: run `PgBackend::check_schema`")]
    Unreadable {
        /// Of its key.
        record: RecordId,
    },
    /// The reply is larger than can be encrypted.
    #[error("the reply of request {record} is larger than can be stored: set `max_response_bytes`")]
    TooLarge {
        /// Of its key.
        record: RecordId,
    },
    /// The role lacks a right.
    #[error(
        "{message}: a role needs `GRANT SELECT, INSERT, UPDATE, DELETE` on the table and `GRANT EXECUTE` on its functions, and to make them, \
         `GRANT CREATE` on a schema"
    )]
    Denied {
        /// What Postgres said.
        message: String,
    },
    /// Called from outside of a tokio runtime.
    #[error("there is no tokio runtime here: call this from a task of one, which the connections need")]
    NoRuntime,
    /// The database could not be reached, or failed.
    #[error("the database could not be asked: {0}")]
    Database(#[source] Arc<PgFailure>),
}

/// What the database or the driver said when it failed, as far as it can be shown.
///
/// # Example: whether it was in the way of others
/// ```
/// use cache_core::idempotency::PgBackendError;
///
/// fn is_timeout(error: &PgBackendError) -> bool {
///     matches!(error, PgBackendError::Database(failure) if failure.code() == Some("57014"))
/// }
/// # assert!(!is_timeout(&PgBackendError::NoRuntime));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgFailure {
    code: Option<String>,
    message: String,
}

impl PgFailure {
    /// The SQLSTATE, if it was the server that failed.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::PgFailure;
    /// fn is_deadlock(failure: &PgFailure) -> bool {
    ///     failure.code() == Some("40P01")
    /// }
    /// ```
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What was said.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::PgFailure;
    /// fn line(failure: &PgFailure) -> String {
    ///     format!("postgres: {}", failure.message())
    /// }
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PgFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " (SQLSTATE {code})"),
            None => Ok(()),
        }
    }
}

impl Error for PgFailure {}

/// Something that is wrong with the table, and what mends it.
///
/// # Example: what a person reads
/// ```
/// use cache_core::idempotency::{PgBackendError, PgFault};
///
/// fn script(error: &PgBackendError) -> String {
///     match error {
///         PgBackendError::Drift(faults) => faults.iter().map(|fault| format!("-- {}\n{};\n", fault.what, fault.sql)).collect(),
///         _ => String::new(),
///     }
/// }
/// # fn _shown(fault: &PgFault) -> String { fault.to_string() }
/// # assert!(script(&PgBackendError::NoRuntime).is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PgFault {
    /// What is wrong.
    pub what: String,
    /// The SQL to run, for a role that owns the table.
    pub sql: String,
}

impl fmt::Display for PgFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: run `{}`", self.what, self.sql)
    }
}

fn list(faults: &[PgFault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

impl PgBackendError {
    /// What is left of an error of the driver's, about this table.
    pub(super) fn new(error: &sqlx::Error, table: &str, functions: &Functions) -> Self {
        let (code, message) = match error.as_database_error() {
            Some(error) => (error.code().map(Into::into), error.message().to_owned()),
            None => (None, error.to_string()),
        };
        if code.as_deref() == Some("42883")
            // An operator that is missing has this code as well. The message may be in any language.
            && let Some(function) = functions.all().into_iter().find(|function| message.contains(&function.name))
        {
            return Self::NoFunction {
                function: function.name.clone(),
            };
        }
        match code.as_deref() {
            Some("42P01") => Self::NoTable { table: table.into() },
            // No such column, another type, no fitting primary key, one that is checked later, a NULL or a second row refused.
            Some("42703" | "42804" | "42883" | "42P10" | "55000" | "23502" | "23505") => Self::Unfit { message },
            Some("42501") => Self::Denied { message },
            _ => Self::Database(Arc::new(PgFailure { code, message })),
        }
    }
}
