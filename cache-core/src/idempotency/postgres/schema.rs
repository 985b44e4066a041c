//! The table: how it is made, and how it is found to be another one than it was.
//!
//! # Why it is as it is
//! - Names are `COLLATE "C"`: compared byte by byte, whatever the database's language, so that no upgrade of the operating system reorders
//!   the index, and quicker.
//! - Sealed replies look random and do not compress, so Postgres need not try: `STORAGE EXTERNAL`.
//! - `took_over` is written by the claim, which alone sees the row as it was.
//! - No `fillfactor`: an update sets `expires_at`, which has an index, so it is never one that needs no entry in the indexes.
//! - It is logged: an unlogged table is empty after a crash, and then everything runs again.
//!
//! # Making it
//! It is looked for first, so that a role that may not create anything can call this at each start. Who creates takes turns with others who
//! do, by an advisory lock of the transaction, and looks again when it is his turn. What is there but is not right is not changed: that is
//! for people to decide, who get the SQL.

use super::check::{Part, faults, question};
use super::error::PgBackendError;
use super::functions::Function;
use super::{MAX_NAME, PgBackend, hex};
use crate::idempotency::store::IdempotencyStore;
use sha2::{Digest, Sha256};

/// One at a time creates.
const TAKE_TURNS: &str = "SELECT pg_catalog.pg_advisory_xact_lock(5146213099341712067)";

/// A column, and what it has to be.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// As Postgres writes it.
    pub(super) kind: &'static str,
    pub(super) not_null: bool,
    /// What rows get that have none, when it is put there later: so that what they were is refused, rather than run again.
    pub(super) filler: &'static str,
}

const fn column(name: &'static str, kind: &'static str, not_null: bool, filler: &'static str) -> Column {
    Column {
        name,
        kind,
        not_null,
        filler,
    }
}

pub(super) const COLUMNS: [Column; 10] = [
    column("scope", "text", true, "''"),
    column("key", "text", true, "pg_catalog.gen_random_uuid()::pg_catalog.text"),
    column(
        "payload",
        "bytea",
        true,
        "pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex')",
    ),
    column(
        "token",
        "bytea",
        true,
        "pg_catalog.decode(pg_catalog.repeat('00', 16), 'hex')",
    ),
    column(
        "lease_until",
        "timestamp with time zone",
        true,
        "pg_catalog.clock_timestamp()",
    ),
    column(
        "expires_at",
        "timestamp with time zone",
        true,
        "pg_catalog.clock_timestamp() + pg_catalog.interval '30 days'",
    ),
    column("outcome", "smallint", false, ""),
    column("took_over", "boolean", true, "false"),
    column("reply", "bytea", false, ""),
    column(
        "created_at",
        "timestamp with time zone",
        true,
        "pg_catalog.clock_timestamp()",
    ),
];

impl Column {
    /// Its type, and that names are compared byte by byte.
    pub(super) fn with_collation(&self) -> String {
        let collation = if self.is_name() { " COLLATE \"C\"" } else { "" };
        format!("{}{collation}", self.kind)
    }

    pub(super) fn is_name(&self) -> bool {
        self.kind == "text"
    }

    fn definition(&self) -> String {
        let not_null = if self.not_null { " NOT NULL" } else { "" };
        format!("    {} {}{not_null}", self.name, self.with_collation())
    }
}

impl PgBackend {
    /// Makes the table and its functions, if there are none of their names on the role's search path, and checks them. Any number of workers may call this at once,
    /// and at each start: where they are there and right, it needs no right to create anything.
    ///
    /// # Errors
    /// [`Drift`](PgBackendError::Drift) if there is a table that is not right, or a function; it is left as it is. [`Denied`](PgBackendError::Denied),
    /// [`NoRuntime`](PgBackendError::NoRuntime), [`Database`](PgBackendError::Database).
    ///
    /// # Cancellation
    /// Makes all of it or nothing.
    ///
    /// # Another version of this library
    /// May have functions of other names. Those of the old one stay, for workers that still run it. Once there are none, drop what this finds
    /// and [`schema_sql`](Self::schema_sql) does not name:
    /// ```sql
    /// SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.proname ~ '^idempotency_records_(claim|settle)_[0-9a-f]{12}$';
    /// ```
    ///
    /// # Example: when a worker starts
    /// ```no_run
    /// # use cache_core::idempotency::{PgBackend, PgBackendError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), PgBackendError> {
    /// PgBackend::new(pool).create_schema().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_schema(&self) -> Result<(), PgBackendError> {
        let parts = self.look().await?;
        let script = if parts.is_empty() {
            // It is in the catalog, and not only missed by a look that was before our turn: that would be remembered.
            let table = format!(
                "pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE c.relname = '{}' AND n.nspname = pg_catalog.current_schema()",
                self.0.name
            );
            let functions = self.0.functions.all().map(|function| {
                let here =
                    "(SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = pg_catalog.current_schema())";
                unless(&is_function(function, here), &function.create(None))
            });
            unless(&table, &self.table_sql()) + &functions.concat()
        } else {
            let lasting = parts.iter().any(Part::is_lasting_table);
            let functions = self.0.functions.all().into_iter().filter(|_| lasting);
            functions
                .filter_map(|function| {
                    let (number, schema) = parts.iter().find_map(|part| part.lacks(function))?;
                    Some(unless(&is_function(function, number), &function.create(Some(schema))))
                })
                .collect()
        };
        if script.is_empty() {
            return self.judge(&parts);
        }
        self.change(&format!("{TAKE_TURNS}; DO $outer$ BEGIN {script}END $outer$"))
            .await?;
        self.check_schema().await
    }

    /// The SQL that makes the table and its functions, for those who keep theirs among the migrations. It may run again, and has to when
    /// [`check_schema`](Self::check_schema) misses a function, which another version of this library may have under another name.
    ///
    /// # Example: a migration
    /// ```no_run
    /// # use cache_core::idempotency::PgBackend;
    /// # fn example(pool: sqlx::PgPool) -> std::io::Result<()> {
    /// std::fs::write("migrations/0007_idempotency.sql", PgBackend::new(pool).schema_sql())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema_sql(&self) -> String {
        let functions = self.0.functions.all().map(|function| function.create(None) + ";\n");
        self.table_sql() + &functions.concat()
    }

    fn table_sql(&self) -> String {
        let table = &self.0.table;
        let columns: Vec<String> = COLUMNS.iter().map(Column::definition).collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (\n{},\n    PRIMARY KEY (scope, key)\n);\n\
             ALTER TABLE {table} ALTER COLUMN reply SET STORAGE EXTERNAL;\n\
             CREATE INDEX IF NOT EXISTS \"{}\" ON {table} (expires_at);\n",
            columns.join(",\n"),
            index_name(&self.0.name)
        )
    }

    /// Compares the table with what it has to be, and lists everything that is wrong, with what to run for each. One round trip.
    ///
    /// Columns, their types and collations, the primary key, the functions and the right to execute them, the index on `expires_at`, whether a crash would empty the table, whether rows
    /// or rights are kept from this role, and what others have added that refuses rows. Triggers and check constraints are not looked at.
    ///
    /// # Errors
    /// [`Drift`](PgBackendError::Drift) with all faults, [`NoTable`](PgBackendError::NoTable),
    /// [`NoRuntime`](PgBackendError::NoRuntime), [`Database`](PgBackendError::Database).
    ///
    /// # Example: before a deployment
    /// ```no_run
    /// # use cache_core::idempotency::{PgBackend, PgBackendError};
    /// # async fn example(backend: PgBackend) {
    /// if let Err(PgBackendError::Drift(faults)) = backend.check_schema().await {
    ///     for fault in faults {
    ///         println!("{}: {};", fault.what, fault.sql);
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn check_schema(&self) -> Result<(), PgBackendError> {
        let parts = self.look().await?;
        self.judge(&parts)
    }

    /// What there is. Nothing, if there is no table.
    async fn look(&self) -> Result<Vec<Part>, PgBackendError> {
        let sent = self.send(&question(&self.0.table, &self.0.functions)).await?;
        let parts = sent.rows.iter().map(Part::read).collect::<Result<Vec<_>, _>>();
        parts.map_err(|error| self.error(&error))
    }

    fn judge(&self, parts: &[Part]) -> Result<(), PgBackendError> {
        if parts.is_empty() {
            return Err(PgBackendError::NoTable {
                table: self.0.name.clone(),
            });
        }
        let faults = faults(&self.0.table, &self.0.functions, parts);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(PgBackendError::Drift(faults))
        }
    }
}

/// The statement that does this if there is nothing of that.
fn unless(there: &str, sql: &str) -> String {
    format!("IF NOT EXISTS (SELECT FROM {there}) THEN EXECUTE $create${sql}$create$; END IF; ")
}

/// Where this function is found if it is in the schema of this number.
fn is_function(function: &Function, schema: &str) -> String {
    format!(
        "pg_catalog.pg_proc AS p WHERE p.proname = '{}' AND p.pronamespace = {schema}",
        function.name
    )
}

impl IdempotencyStore<PgBackend> {
    /// As [`PgBackend::create_schema`].
    ///
    /// # Errors
    /// Those of the backend.
    ///
    /// # Example
    /// ```no_run
    /// # use cache_core::idempotency::{IdempotencyStore, PgBackend, PgBackendError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), PgBackendError> {
    /// let store = IdempotencyStore::new(PgBackend::new(pool));
    /// store.create_schema().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_schema(&self) -> Result<(), PgBackendError> {
        self.backend().create_schema().await
    }

    /// As [`PgBackend::check_schema`].
    ///
    /// # Errors
    /// Those of the backend.
    ///
    /// # Example
    /// ```no_run
    /// # use cache_core::idempotency::{IdempotencyStore, PgBackend, PgBackendError};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), PgBackendError> {
    /// let store = IdempotencyStore::new(PgBackend::new(pool));
    /// store.check_schema().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_schema(&self) -> Result<(), PgBackendError> {
        self.backend().check_schema().await
    }
}

/// `{table}_expires_at_idx`, unless that is too long: Postgres would cut it, and tables that begin alike would share a name. Then a hash of
/// the table's name stands for its end. Should there be something else of that name, there is no index, and the check says so.
fn index_name(table: &str) -> String {
    const SUFFIX: &str = "_expires_at_idx";
    if table.len() + SUFFIX.len() <= MAX_NAME {
        return format!("{table}{SUFFIX}");
    }
    let hash = hex::encode(&Sha256::digest(table)[..6]);
    format!("{}_{hash}{SUFFIX}", &table[..MAX_NAME - SUFFIX.len() - hash.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_indexes_are_short_enough_and_differ() {
        assert_eq!(index_name("records"), "records_expires_at_idx");
        let names: Vec<String> = (40..=63)
            .flat_map(|len| ["a", "b"].map(|end| "t".repeat(len - 1) + end))
            .map(|table| index_name(&table))
            .collect();
        assert!(names.iter().all(|name| name.len() <= MAX_NAME), "{names:?}");
        let mut different = names.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len());
    }
}
