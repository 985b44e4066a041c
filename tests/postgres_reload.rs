//! Values cached by the revision of their tables, on a real Postgres: concurrent writers that insert, update, delete, truncate, commit
//! late and roll back, connections that are killed, and a server that crashes in the middle. After a writer's commit and the next
//! reading of the revision, no reload gives anything older than that commit.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on fails"
)]

#[path = "support/postgres.rs"]
mod postgres;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use cache_core::Cache;
use cache_core::postgres::Revisions;
use cache_core::revision::{OnChange, Revised, Status};
use sqlx::{AssertSqlSafe, PgPool};

const WRITERS: usize = 6;
const READERS: u64 = 4;
const CHANGES: u64 = 120;

/// What a table holds: the number of the change that wrote its row, or nothing.
type State = Option<i64>;

/// What a writer has done to its table.
#[derive(Default)]
struct History {
    /// The state that each change was to bring, in their order; noted before it is committed.
    states: Mutex<Vec<State>>,
    /// How many of them are known to be committed, or to have been overtaken by one that is.
    committed: AtomicU64,
}

struct World {
    pool: PgPool,
    revisions: Revisions,
    tables: Vec<String>,
    histories: Vec<History>,
    cache: Cache<(), Revised<Arc<Vec<State>>>>,
    is_over: AtomicBool,
    checked: AtomicU64,
}

/// A small generator (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

impl World {
    async fn load(self: Arc<Self>) -> Result<Arc<Vec<State>>, String> {
        let mut states = Vec::new();
        for table in &self.tables {
            let query = AssertSqlSafe(format!("SELECT version FROM {table}"));
            let row: Option<i64> = sqlx::query_scalar(query)
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| error.to_string())?;
            states.push(row);
        }
        Ok(Arc::new(states))
    }

    /// One change of the writer's table. An error leaves open what became of it.
    async fn change(&self, writer: usize, number: u64, chance: u64) -> Result<(), sqlx::Error> {
        let (table, history) = (&self.tables[writer], &self.histories[writer]);
        let number = i64::try_from(number).unwrap();
        let (statements, state) = match chance % 6 {
            0 => (format!("DELETE FROM {table}"), None),
            1 => (format!("TRUNCATE {table}"), None),
            2 => (
                format!("DELETE FROM {table}; INSERT INTO {table} VALUES ({number})"),
                Some(number),
            ),
            // What is undone must not count, and what comes after it must.
            3 => (
                format!(
                    "SAVEPOINT s; DELETE FROM {table}; ROLLBACK TO s; DELETE FROM {table}; \
                     INSERT INTO {table} VALUES ({number})"
                ),
                Some(number),
            ),
            4 => (
                format!("TRUNCATE {table}; INSERT INTO {table} VALUES ({number})"),
                Some(number),
            ),
            _ => (
                format!("WITH gone AS (DELETE FROM {table}) INSERT INTO {table} VALUES ({number})"),
                Some(number),
            ),
        };
        let mut transaction = self.pool.begin().await?;
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&mut *transaction)
            .await?;
        // Late, so that others that began after it commit before.
        for _ in 0..chance >> 8 & 7 {
            sqlx::raw_sql("SELECT").execute(&mut *transaction).await?;
        }
        if (chance >> 16).is_multiple_of(8) {
            return transaction.rollback().await;
        }
        let nth = {
            let mut states = history.states.lock().unwrap();
            states.push(state);
            u64::try_from(states.len()).unwrap()
        };
        transaction.commit().await?;
        history.committed.fetch_max(nth, SeqCst);
        Ok(())
    }

    async fn read(self: &Arc<Self>) {
        let floors: Vec<_> = self.histories.iter().map(|it| it.committed.load(SeqCst)).collect();
        let this = Arc::clone(self);
        let revision = self.revisions.revision(&self.tables);
        let Ok(found) = self.cache.try_spawn_at_revision((), revision, || this.load()).await else {
            return;
        };
        // While the server is down, or the pool has lost its connections, the value at hand serves, and says so.
        if found.status == Status::Unverified {
            return;
        }
        for ((history, state), floor) in self.histories.iter().zip(&*found.value).zip(floors) {
            let states = history.states.lock().unwrap();
            // What was there before the first change is nothing.
            let since = usize::try_from(floor).unwrap().saturating_sub(1);
            let is_possible = states[since.min(states.len())..].contains(state) || floor == 0 && state.is_none();
            assert!(
                is_possible,
                "{state:?} is older than change {floor}, which was committed: {:?}, {found:?}",
                &states[since.saturating_sub(3)..]
            );
        }
        self.checked.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reload_is_never_older_than_a_commit_of_before() {
    let server = postgres::server();
    let pool = server.database().await;
    let tables: Vec<_> = (0..WRITERS).map(|writer| format!("t{writer}")).collect();
    for table in &tables {
        let create = format!("CREATE TABLE {table} (version bigint NOT NULL)");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    }
    let world = Arc::new(World {
        revisions: Revisions::install(&pool, &tables).await.unwrap(),
        pool,
        histories: tables.iter().map(|_| History::default()).collect(),
        tables,
        cache: Cache::builder().on_change(OnChange::Reload).build(),
        is_over: AtomicBool::new(false),
        checked: AtomicU64::new(0),
    });

    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                while !world.is_over.load(SeqCst) {
                    world.read().await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut state = 0x9E37_79B9_7F4A_7C15 ^ (writer as u64 + 1);
                let mut failures = 0;
                for number in 0..CHANGES {
                    let chance = random(&mut state);
                    failures += u32::from(world.change(writer, number, chance).await.is_err());
                }
                failures
            })
        })
        .collect();
    // In the middle: connections are killed, and then the whole server.
    let checked = |at_least| {
        let world = Arc::clone(&world);
        async move {
            while world.checked.load(SeqCst) < at_least {
                tokio::task::yield_now().await;
            }
        }
    };
    checked(50).await;
    for _ in 0..3 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5";
        let _ = sqlx::raw_sql(kill).execute(&world.pool).await;
        checked(world.checked.load(SeqCst) + 20).await;
    }
    tokio::task::spawn_blocking(|| server.crash()).await.unwrap();
    let after_crash = world.checked.load(SeqCst);
    checked(after_crash + 50).await;

    let mut failures = 0;
    for writer in writers {
        failures += writer.await.unwrap();
    }
    world.is_over.store(true, SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    // When all is quiet, what is cached is what is there, and the next call costs no load.
    let this = Arc::clone(&world);
    let revision = world.revisions.revision(&world.tables);
    let found = world
        .cache
        .try_spawn_at_revision((), revision, || this.load())
        .await
        .unwrap();
    assert_eq!(found.value, Arc::clone(&world).load().await.unwrap());
    let stats = world.cache.stats();
    println!(
        "{} checked, {failures} changes failed, {stats:?}",
        world.checked.load(SeqCst)
    );
    assert!(failures > 0, "the crash hit nobody");
    assert!(stats.hits > 0 && stats.coalesced > 0, "{stats:?}");
}
