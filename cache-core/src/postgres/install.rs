//! How tables come to be watched, and cease to be.
//!
//! # What counts
//! The revision of a table is a sum over rows of `cache_core.changes`. A transaction that changes the table adds one row, so the
//! sum changes when it commits, and with that: it is in commit order, whatever order transactions began or wrote in. Nobody
//! updates a row that is there, so writers never wait for each other; a row that is rolled back, with its savepoint or with all,
//! leaves nothing. Beside the sum, a revision has the version of everything that the counting rests on: the table's definition,
//! its triggers, its partitions. So what no trigger sees (`ALTER TABLE`, attaching a partition, disabling the trigger for a
//! while) changes the revision as well.
//!
//! # Why triggers of rows
//! A statement that changes nothing does not count; partitions have them from their parent, future ones too, so that what is
//! written to a partition directly is seen; and what logical replication applies fires them. They are `ENABLE ALWAYS`, which makes
//! them fire for who sets `session_replication_role` too. A setting of the transaction says that it has been counted already; it
//! is rolled back together with the row.
//!
//! # Locks
//! A table that is new is locked against writers for as long as it takes to put triggers on it, each in a transaction of its own:
//! to hold several could deadlock with writers. Whoever waits for that lock makes others wait behind it, so it is tried for a short
//! time only, several times. What is in place already is found so without a lock. Who installs or removes takes turns with
//! others who do, by an advisory lock.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row};

use super::ask::fetch_from;
use super::error::{RevisionsError, Unwatched, Why, code};
use super::name::TableName;
use super::schema::{CREATE, DROP, GET_VERSION, IS_THERE, TAKE_TURNS, TOUCHED, VERSION};

/// How often a lock is tried for.
const ATTEMPTS: u32 = 10;
/// Between two attempts, so that those who waited behind the lock get on.
const PAUSE: Duration = Duration::from_millis(50);

/// How to install.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) notify: bool,
    pub(super) lock_timeout: Duration,
}

/// Sees to it that these tables are watched.
pub(super) async fn install(pool: &PgPool, tables: &[TableName], plan: Plan) -> Result<(), RevisionsError> {
    let mut connection = pool.acquire().await?;
    if is_there(&mut connection).await? && incomplete(&mut connection, tables, plan).await?.is_empty() {
        return Ok(());
    }
    check(&mut connection, tables).await?;
    create(&mut connection).await?;
    for place in incomplete(&mut connection, tables, plan).await? {
        let Some(table) = tables.get(place) else { continue };
        // Somebody else may have done so by the time it is our turn.
        let call = format!(
            "SELECT cache_core.watch(t.relation, {notify}) FROM pg_catalog.to_regclass('{}') AS t (relation) \
             WHERE t.relation IS NOT NULL \
             AND EXISTS (SELECT FROM cache_core.incomplete(ARRAY[t.relation], {notify}))",
            table.sql,
            notify = plan.notify
        );
        locked(&mut connection, &table.given, plan.lock_timeout, &call).await?;
    }
    Ok(())
}

/// Sees to it that these tables are watched no longer.
pub(super) async fn uninstall_tables(
    pool: &PgPool,
    tables: &[TableName],
    lock_timeout: Duration,
) -> Result<(), RevisionsError> {
    let mut connection = pool.acquire().await?;
    if !is_there(&mut connection).await? {
        return Ok(());
    }
    for table in tables {
        let call = format!(
            "SELECT cache_core.unwatch(t.relation) FROM pg_catalog.to_regclass('{}') AS t (relation) \
             WHERE t.relation IS NOT NULL",
            table.sql
        );
        locked(&mut connection, &table.given, lock_timeout, &call).await?;
    }
    Ok(())
}

/// Removes everything.
pub(super) async fn uninstall(pool: &PgPool, lock_timeout: Duration) -> Result<(), RevisionsError> {
    let mut connection = pool.acquire().await?;
    if !is_there(&mut connection).await? {
        return Ok(());
    }
    for row in fetch_from(&mut *connection, TOUCHED).await? {
        let (id, name): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let call = format!("SELECT cache_core.unwatch({id}::pg_catalog.oid::pg_catalog.regclass)");
        locked(&mut connection, &name, lock_timeout, &call).await?;
    }
    // Whoever waited for his turn meanwhile may have come after somebody who had the same in mind.
    let drop = format!("DO $outer$ BEGIN IF ({IS_THERE}) THEN EXECUTE $drop${DROP}$drop$; END IF; END $outer$");
    locked(&mut connection, "cache_core.changes", lock_timeout, &drop).await
}

/// Whether there is something of ours, of a version that is known here.
async fn is_there(connection: &mut PgConnection) -> Result<bool, RevisionsError> {
    let rows = fetch_from(&mut *connection, IS_THERE).await?;
    if !rows.first().map_or(Ok(false), |row| row.try_get(0))? {
        return Ok(false);
    }
    let rows = fetch_from(&mut *connection, GET_VERSION).await?;
    let found = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    if found > VERSION {
        return Err(RevisionsError::Newer { found });
    }
    Ok(true)
}

/// The places of those tables that something is missing of.
async fn incomplete(
    connection: &mut PgConnection,
    tables: &[TableName],
    plan: Plan,
) -> Result<Vec<usize>, RevisionsError> {
    let tables = TableName::array(tables);
    let query = format!(
        "SELECT place FROM cache_core.incomplete({tables}, {}) ORDER BY place",
        plan.notify
    );
    let rows = fetch_from(connection, &query).await?;
    let places = rows.iter().map(|row| row.try_get::<i64, _>(0));
    let places: Vec<i64> = places.collect::<Result<_, _>>()?;
    Ok(places
        .into_iter()
        .filter_map(|place| usize::try_from(place - 1).ok())
        .collect())
}

/// Whether all of these can be watched, before anything is changed. The letters are those of [`Why::from_fault`].
async fn check(connection: &mut PgConnection, tables: &[TableName]) -> Result<(), RevisionsError> {
    let query = format!(
        "WITH RECURSIVE member (place, relation) AS (
            SELECT a.place, a.relation::pg_catalog.oid
            FROM ROWS FROM (pg_catalog.unnest({})) WITH ORDINALITY AS a (relation, place)
            UNION SELECT m.place, i.inhrelid FROM member AS m JOIN pg_catalog.pg_inherits AS i ON i.inhparent = m.relation
        ), checked AS (
            SELECT m.place, CASE
                WHEN m.relation IS NULL THEN 'n'
                WHEN n.nspname IN ('pg_catalog', 'pg_toast', 'information_schema', 'cache_core') THEN 's'
                WHEN c.relkind NOT IN ('r', 'p') THEN 'k ' || c.oid::regclass
                WHEN c.relpersistence <> 'p' THEN 'u ' || c.oid::regclass
            END AS fault
            FROM member AS m
            LEFT JOIN pg_catalog.pg_class AS c ON c.oid = m.relation
            LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        )
        SELECT place, min(fault) FROM checked WHERE fault IS NOT NULL GROUP BY place ORDER BY place",
        TableName::array(tables)
    );
    let mut faults = Vec::new();
    for row in fetch_from(connection, &query).await? {
        let (place, fault): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let table = usize::try_from(place - 1).ok().and_then(|place| tables.get(place));
        faults.push(Unwatched {
            table: table.map_or_else(String::new, |table| table.given.to_string()),
            why: Why::from_fault(&fault),
        });
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(RevisionsError::CannotWatch(faults))
    }
}

/// Makes the schema, unless somebody else has by the time it is our turn.
async fn create(connection: &mut PgConnection) -> Result<(), RevisionsError> {
    run(
        connection,
        &format!("DO $outer$ BEGIN IF NOT ({IS_THERE}) THEN EXECUTE $create${CREATE}$create$; END IF; END $outer$"),
    )
    .await?;
    Ok(())
}

/// Runs a statement that locks a table, in a transaction of its own, and does so again if the table is in use for too long.
async fn locked(
    connection: &mut PgConnection,
    table: &str,
    timeout: Duration,
    statement: &str,
) -> Result<(), RevisionsError> {
    // None would mean for ever.
    let timeout = timeout.as_millis().clamp(1, i32::MAX as u128);
    let script = format!("SET LOCAL lock_timeout = {timeout}; {statement}");
    for attempt in 1..=ATTEMPTS {
        match run(connection, &script).await {
            // Could not lock, or would have waited for each other.
            Err(error) if matches!(code(&error).as_deref(), Some("55P03" | "40P01")) => {}
            done => return Ok(done?),
        }
        if attempt < ATTEMPTS {
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }
    Err(RevisionsError::Busy {
        table: table.to_owned(),
        attempts: ATTEMPTS,
    })
}

/// Runs a script when it is our turn, in one message, and so in one transaction: it commits at its end or leaves nothing, whatever
/// becomes of us. Each statement sees what was committed before it, and so what others did before our turn.
async fn run(connection: &mut PgConnection, script: &str) -> Result<(), sqlx::Error> {
    let script = format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {TAKE_TURNS}; {script}");
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await?;
    Ok(())
}
