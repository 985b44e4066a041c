//! Writers at random, many at once: no commit is ever missed, no writer waits or fails because it is watched, and what they leave
//! behind stays small.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use cache_core::postgres::{Revisions, TableRevisions};
use futures::future::join_all;
use postgres::server;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

async fn run(executor: impl Executor<'_, Database = Postgres>, sql: &str) {
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(executor).await;
    result.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

const WRITERS: i64 = 8;
const ROWS: i64 = 10;
const TABLES: [&str; 3] = ["a", "b", "c"];

async fn database() -> PgPool {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(24)
        .connect_with(options)
        .await
        .unwrap();
    for table in TABLES {
        run(
            &pool,
            &format!("CREATE TABLE {table} (id bigint PRIMARY KEY, n bigint); INSERT INTO {table} SELECT n, 0 FROM generate_series(1, {}) n", WRITERS * ROWS),
        )
        .await;
    }
    pool
}

/// What one transaction does. Each writer has rows of its own, so that only what watches could make it wait or fail.
#[derive(Debug, Clone)]
struct Transaction {
    isolation: &'static str,
    steps: Vec<Step>,
    commits: bool,
}

#[derive(Debug, Clone)]
enum Step {
    /// To one of its rows, in a table.
    Write(usize, i64),
    /// In a savepoint, that is kept or rolled back.
    Nested(Vec<(usize, i64)>, bool),
}

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let write = || (0..TABLES.len(), 0..ROWS);
    let step = prop_oneof![
        3 => write().prop_map(|(table, row)| Step::Write(table, row)),
        1 => (prop::collection::vec(write(), 1..3), any::<bool>()).prop_map(|(writes, kept)| Step::Nested(writes, kept)),
    ];
    let isolation = prop_oneof![3 => Just("READ COMMITTED"), 1 => Just("REPEATABLE READ")];
    let transaction = (isolation, prop::collection::vec(step, 1..5), prop::bool::weighted(0.8));
    let transaction = transaction.prop_map(|(isolation, steps, commits)| Transaction {
        isolation,
        steps,
        commits,
    });
    prop::collection::vec(transaction, 150)
}

impl Transaction {
    fn sql(&self, writer: i64) -> String {
        let write = |&(table, row): &(usize, i64)| {
            let id = writer * ROWS + row + 1;
            format!("UPDATE {} SET n = n + 1 WHERE id = {id};", TABLES[table])
        };
        let mut sql = format!("BEGIN ISOLATION LEVEL {};", self.isolation);
        for step in &self.steps {
            match step {
                Step::Write(table, row) => sql += &write(&(*table, *row)),
                Step::Nested(writes, kept) => {
                    let writes: String = writes.iter().map(write).collect();
                    let end = if *kept { "RELEASE s" } else { "ROLLBACK TO s" };
                    sql += &["SAVEPOINT s; ", &writes, end, ";"].concat();
                }
            }
        }
        sql
    }

    /// Which tables it has changed once it is committed.
    fn changed(&self) -> Vec<usize> {
        let mut changed = Vec::new();
        for step in &self.steps {
            match step {
                Step::Write(table, _) => changed.push(*table),
                Step::Nested(writes, true) => changed.extend(writes.iter().map(|(table, _)| table)),
                Step::Nested(_, false) => {}
            }
        }
        changed.sort_unstable();
        changed.dedup();
        if self.commits { changed } else { Vec::new() }
    }
}

/// When each revision was first read, by a counter of all that were.
#[derive(Default)]
struct Seen(Mutex<HashMap<TableRevisions, usize>>);

impl Seen {
    fn note(&self, revision: TableRevisions) {
        let mut seen = self.0.lock().unwrap();
        let next = seen.len();
        seen.entry(revision).or_insert(next);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether it had been read when there were so many.
    fn is_old(&self, revision: &TableRevisions, len: usize) -> bool {
        self.0.lock().unwrap().get(revision).is_some_and(|first| *first < len)
    }
}

fn commits(revision: &TableRevisions) -> i64 {
    revision.to_string().split_once('@').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_commit_no_revision_is_one_that_was_read_before_it() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &TABLES).await.unwrap();
    let truth: Arc<[AtomicI64; 3]> = Arc::default();
    let seen: Arc<[Seen; 3]> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));

    let readers = (0..2).map(|_| {
        let (revisions, seen, done) = (revisions.clone(), Arc::clone(&seen), Arc::clone(&done));
        tokio::spawn(async move {
            let mut last = [0; 3];
            while !done.load(Ordering::SeqCst) {
                for (number, table) in TABLES.iter().enumerate() {
                    let revision = revisions.revision(&[table]).await.unwrap();
                    let commits = commits(&revision);
                    assert!(
                        commits >= last[number],
                        "{commits} commits of {table} after {}",
                        last[number]
                    );
                    last[number] = commits;
                    seen[number].note(revision);
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();

    let mut runner = TestRunner::new(Config::default());
    let writers = (0..WRITERS).map(|writer| {
        let transactions = transactions().new_tree(&mut runner).unwrap().current();
        let (pool, revisions, seen, truth) = (pool.clone(), revisions.clone(), Arc::clone(&seen), Arc::clone(&truth));
        tokio::spawn(async move {
            let mut connection = pool.acquire().await.unwrap();
            for transaction in transactions {
                run(&mut *connection, &transaction.sql(writer)).await;
                let before = seen.each_ref().map(Seen::len);
                run(
                    &mut *connection,
                    if transaction.commits { "COMMIT" } else { "ROLLBACK" },
                )
                .await;
                for table in transaction.changed() {
                    let revision = revisions.revision(&[TABLES[table]]).await.unwrap();
                    assert!(
                        !seen[table].is_old(&revision, before[table]),
                        "{revision} was read before {transaction:?}"
                    );
                    seen[table].note(revision);
                    truth[table].fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    for reader in join_all(readers).await {
        reader.unwrap();
    }

    for (table, truth) in TABLES.iter().zip(&*truth) {
        assert_eq!(
            commits(&revisions.revision(&[table]).await.unwrap()),
            truth.load(Ordering::SeqCst),
            "{table}"
        );
    }
    let deadlocks: i64 =
        sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(deadlocks, 0);
}

#[tokio::test]
async fn writers_in_opposite_orders_wait_for_nothing() {
    let pool = database().await;
    Revisions::builder().notify(true).install(&pool, &TABLES).await.unwrap();
    for (one_isolation, two_isolation) in [
        ("READ COMMITTED", "READ COMMITTED"),
        ("REPEATABLE READ", "SERIALIZABLE"),
    ] {
        let mut one = pool.acquire().await.unwrap();
        let mut two = pool.acquire().await.unwrap();
        // What has to wait fails at once.
        run(
            &mut *one,
            &format!("SET lock_timeout = 1; BEGIN ISOLATION LEVEL {one_isolation}; UPDATE a SET n = 1 WHERE id = 1"),
        )
        .await;
        run(
            &mut *two,
            &format!("SET lock_timeout = 1; BEGIN ISOLATION LEVEL {two_isolation}; UPDATE b SET n = 1 WHERE id = 2"),
        )
        .await;
        run(
            &mut *one,
            "UPDATE b SET n = 1 WHERE id = 1; SAVEPOINT s; TRUNCATE c; ROLLBACK TO s",
        )
        .await;
        run(&mut *two, "UPDATE a SET n = 1 WHERE id = 2; COMMIT").await;
        run(&mut *one, "COMMIT").await;
    }
}

#[tokio::test]
async fn folding_some_rows_changes_no_revision() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &TABLES).await.unwrap();
    for _ in 0..20 {
        for n in 0..10 {
            run(&pool, &format!("UPDATE a SET n = {n} WHERE id = 1")).await;
        }
        let before = revisions.revision(&["a"]).await.unwrap();
        let mut other = pool.begin().await.unwrap();
        run(
            &mut *other,
            "SELECT FROM cache_core.changes WHERE mark % 2 = 0 FOR UPDATE",
        )
        .await;
        run(&pool, "SELECT cache_core.fold_all()").await;
        other.rollback().await.unwrap();
        assert_eq!(revisions.revision(&["a"]).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_writer_who_could_fail_by_folding_does_not_fold() {
    let pool = database().await;
    Revisions::install(&pool, &TABLES).await.unwrap();
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        run(
            &pool,
            "UPDATE a SET n = 1 WHERE id = 1; COMMIT; UPDATE a SET n = 2 WHERE id = 1",
        )
        .await;
        let mut writer = pool.acquire().await.unwrap();
        run(
            &mut *writer,
            &format!("BEGIN ISOLATION LEVEL {isolation}; UPDATE b SET n = 1 WHERE id = 1"),
        )
        .await;
        // What it sees is gone by now.
        run(&pool, "SELECT cache_core.fold_all()").await;
        run(&mut *writer, "SELECT cache_core.fold_all(); COMMIT").await;
    }
}

#[tokio::test]
async fn a_publication_of_all_tables_forbids_nothing() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &TABLES).await.unwrap();
    run(&pool, "CREATE PUBLICATION everything FOR ALL TABLES").await;
    run(&pool, "UPDATE a SET n = 1 WHERE id = 1").await;
    let before = revisions.revision(&["a"]).await.unwrap();
    run(&pool, "SELECT cache_core.fold_all()").await;
    assert_eq!(revisions.revision(&["a"]).await.unwrap(), before);
    Revisions::uninstall(&pool).await.unwrap();
}

/// A failover that loses commits, or a crash where commits are not written through.
#[tokio::test]
async fn what_replaces_a_lost_commit_is_another_revision() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &TABLES).await.unwrap();
    run(&pool, "UPDATE a SET n = 1 WHERE id = 1").await;
    let before = revisions.revision(&["a"]).await.unwrap();
    run(&pool, "TRUNCATE cache_core.changes").await;
    run(&pool, "UPDATE a SET n = 2 WHERE id = 1").await;
    let after = revisions.revision(&["a"]).await.unwrap();
    assert_eq!(commits(&after), commits(&before));
    assert_ne!(after, before);
}

/// Folds happen in the transactions of writers: in what order these end makes no difference to the sum.
#[tokio::test]
async fn folding_waits_for_nobody_and_changes_no_revision() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &TABLES).await.unwrap();
    let fold = "SELECT cache_core.fold_all();";
    for round in 0..4 {
        for n in 0..20 {
            run(&pool, &format!("UPDATE a SET n = {n} WHERE id = 1")).await;
        }
        let before = revisions.revision(&["a"]).await.unwrap();
        let (mut one, mut two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        run(&mut *one, &format!("SET lock_timeout = 1; BEGIN; SAVEPOINT s; {fold}")).await;
        assert_eq!(revisions.revision(&["a"]).await.unwrap(), before);
        run(
            &mut *two,
            &format!("SET lock_timeout = 1; BEGIN; UPDATE a SET n = 0 WHERE id = 2; {fold}"),
        )
        .await;
        assert_eq!(revisions.revision(&["a"]).await.unwrap(), before);
        if round % 2 == 0 {
            run(&mut *one, "ROLLBACK TO s").await;
        }
        run(&mut *one, "COMMIT").await;
        assert_eq!(revisions.revision(&["a"]).await.unwrap(), before);
        run(&mut *two, if round < 2 { "COMMIT" } else { "ROLLBACK" }).await;
        let after = revisions.revision(&["a"]).await.unwrap();
        assert_eq!(commits(&after), commits(&before) + i64::from(round < 2));
        run(&pool, fold).await;
        assert_eq!(revisions.revision(&["a"]).await.unwrap(), after);
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_core.changes")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writers_leave_behind_stays_small() {
    const COMMITS: i64 = 4_000;
    let pool = database().await;
    let revisions = Revisions::install(&pool, &TABLES).await.unwrap();
    let write = format!(
        "DO $$ BEGIN FOR i IN 1..{} LOOP UPDATE a SET n = i WHERE id = 1 + pg_backend_pid() % 80; COMMIT; END LOOP; END $$",
        COMMITS / 4
    );
    // Each row is one writer's, unless two have the same remainder: then they wait for each other, which is no harm here.
    join_all((0..4).map(|_| run(&pool, &write))).await;
    assert_eq!(commits(&revisions.revision(&["a"]).await.unwrap()), COMMITS);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_core.changes")
        .fetch_one(&pool)
        .await
        .unwrap();
    // One in 64 folds: that so many come without is as good as impossible.
    assert!(rows < 1_500, "{rows} rows are left of {COMMITS}");
}
