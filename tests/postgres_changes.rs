//! What changes a revision, and what does not: every kind of change, committed in whatever order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use cache_core::postgres::{Revisions, RevisionsError, TableRevisions, Why};
use postgres::server;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Postgres};

async fn run(executor: impl Executor<'_, Database = Postgres>, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(executor)
        .await
        .unwrap();
}

struct World {
    pool: PgPool,
    revisions: Revisions,
}

const ALL: [&str; 4] = ["topics", "tasks", "events", "family"];

impl World {
    async fn new() -> Self {
        let pool = server().database().await;
        run(
            &pool,
            "CREATE TABLE topics (id int PRIMARY KEY, title text);
             CREATE TABLE tasks (id int PRIMARY KEY, topic int REFERENCES topics ON DELETE CASCADE);
             CREATE TABLE events (id int, day int) PARTITION BY LIST (day);
             CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
             CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2, 3) PARTITION BY LIST (day);
             CREATE TABLE events_2_2 PARTITION OF events_2 FOR VALUES IN (2);
             CREATE TABLE family (id int);
             CREATE TABLE child () INHERITS (family);
             INSERT INTO topics SELECT n, 'old' FROM generate_series(1, 10) AS n;
             INSERT INTO tasks SELECT n, n FROM generate_series(1, 10) AS n;
             INSERT INTO events SELECT n, 1 + n % 2 FROM generate_series(1, 10) AS n;",
        )
        .await;
        let revisions = Revisions::install(&pool, &ALL).await.unwrap();
        Self { pool, revisions }
    }

    async fn revision(&self, table: &str) -> TableRevisions {
        self.revisions.revision(&[table]).await.unwrap()
    }

    async fn all(&self) -> Vec<TableRevisions> {
        let mut all = Vec::new();
        for table in ALL {
            all.push(self.revision(table).await);
        }
        all
    }

    /// Whether exactly these tables change by this.
    async fn changes(&self, sql: &str, tables: &[&str]) {
        let before = self.all().await;
        run(&self.pool, sql).await;
        let after = self.all().await;
        let changed = ALL.iter().zip(before.iter().zip(&after));
        let changed: Vec<&str> = changed
            .filter(|(_, (before, after))| before != after)
            .map(|(table, _)| *table)
            .collect();
        assert_eq!(changed, tables, "{sql}");
    }

    async fn why(&self, table: &str) -> Why {
        match self.revisions.revision(&[table]).await {
            Err(RevisionsError::Unwatched(mut unwatched)) => unwatched.pop().unwrap().why,
            other => panic!("{table} should be unwatched: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_way_of_writing_changes_the_revision_of_its_table_alone() {
    let world = World::new().await;
    for (sql, tables) in [
        ("INSERT INTO topics VALUES (11, 'new')", &["topics"][..]),
        ("UPDATE topics SET title = 'new' WHERE id = 1", &["topics"]),
        ("UPDATE topics SET title = title WHERE id = 1", &["topics"]),
        (
            "INSERT INTO topics VALUES (1, '') ON CONFLICT (id) DO UPDATE SET title = 'newer'",
            &["topics"],
        ),
        (
            "MERGE INTO topics USING (VALUES (1)) AS v (id) ON topics.id = v.id WHEN MATCHED THEN DELETE",
            &["topics", "tasks"],
        ),
        ("DELETE FROM tasks WHERE id = 2", &["tasks"]),
        ("DELETE FROM topics WHERE id = 3", &["topics", "tasks"]),
        (
            "WITH gone AS (DELETE FROM tasks WHERE id = 4 RETURNING topic) UPDATE topics SET title = '' FROM gone WHERE id = topic",
            &["topics", "tasks"],
        ),
        ("COPY topics FROM PROGRAM 'echo 100,copied' CSV", &["topics"]),
        (
            "DO $$ BEGIN UPDATE topics SET title = 'in a function'; END $$",
            &["topics"],
        ),
        ("TRUNCATE tasks", &["tasks"]),
        ("TRUNCATE topics CASCADE", &["topics", "tasks"]),
        ("TRUNCATE topics CASCADE", &["topics", "tasks"]),
    ] {
        world.changes(sql, tables).await;
    }
}

#[tokio::test]
async fn partitions_and_children_count_for_their_parent() {
    let world = World::new().await;
    for (sql, tables) in [
        ("INSERT INTO events VALUES (11, 1)", &["events"][..]),
        ("INSERT INTO events_1 VALUES (12, 1)", &["events"]),
        ("INSERT INTO events_2_2 VALUES (13, 2)", &["events"]),
        ("UPDATE events SET day = 2 WHERE day = 1", &["events"]),
        (
            "CREATE TABLE events_3 PARTITION OF events_2 FOR VALUES IN (3)",
            &["events"],
        ),
        ("INSERT INTO events_3 VALUES (14, 3)", &["events"]),
        ("TRUNCATE events_2_2", &["events"]),
        ("TRUNCATE events_3", &["events"]),
        ("ALTER TABLE events_2 DETACH PARTITION events_3", &["events"]),
        ("INSERT INTO events_3 VALUES (15, 3)", &[]),
        (
            "ALTER TABLE events_2 ATTACH PARTITION events_3 FOR VALUES IN (3)",
            &["events"],
        ),
        ("INSERT INTO events_3 VALUES (16, 3)", &["events"]),
        ("DROP TABLE events_3", &["events"]),
        ("INSERT INTO child VALUES (1)", &["family"]),
        ("TRUNCATE child", &["family"]),
    ] {
        world.changes(sql, tables).await;
    }
}

#[tokio::test]
async fn what_changes_nothing_leaves_the_revision() {
    let world = World::new().await;
    for sql in [
        "UPDATE topics SET title = 'new' WHERE false",
        "DELETE FROM tasks WHERE id > 1000",
        "INSERT INTO topics VALUES (1, '') ON CONFLICT DO NOTHING",
        "INSERT INTO topics SELECT 1, '' WHERE false",
        "BEGIN; UPDATE topics SET title = 'gone'; DELETE FROM events; TRUNCATE tasks; ROLLBACK",
        "BEGIN; SAVEPOINT a; UPDATE topics SET title = 'gone'; ROLLBACK TO a; COMMIT",
        "DO $$ BEGIN UPDATE topics SET title = 'gone'; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$",
        "ANALYZE topics",
        "VACUUM topics",
        "CREATE INDEX ON topics (title)",
        "SELECT FROM topics FOR UPDATE",
        "SET session_replication_role = origin",
    ] {
        world.changes(sql, &[]).await;
    }
}

#[tokio::test]
async fn what_is_left_of_a_transaction_after_savepoints_counts() {
    let world = World::new().await;
    for sql in [
        "BEGIN; SAVEPOINT a; UPDATE topics SET title = 'gone'; ROLLBACK TO a; UPDATE topics SET title = 'kept'; COMMIT",
        "BEGIN; UPDATE topics SET title = 'kept'; SAVEPOINT a; UPDATE topics SET title = 'gone'; ROLLBACK TO a; COMMIT",
        "BEGIN; SAVEPOINT a; UPDATE topics SET title = 'kept'; RELEASE a; SAVEPOINT b; DELETE FROM topics; ROLLBACK TO b; COMMIT",
        "BEGIN; SAVEPOINT a; SAVEPOINT b; UPDATE topics SET title = 'gone'; RELEASE b; ROLLBACK TO a; \
         UPDATE topics SET title = 'kept'; COMMIT",
        "DO $$ BEGIN BEGIN UPDATE topics SET title = 'gone'; RAISE 'no'; EXCEPTION WHEN OTHERS THEN \
         UPDATE topics SET title = 'kept'; END; END $$",
        "DO $$ BEGIN UPDATE topics SET title = 'one'; COMMIT; UPDATE topics SET title = 'two'; ROLLBACK; END $$",
        "BEGIN; UPDATE topics SET title = 'kept'; RESET ALL; UPDATE topics SET title = 'kept too'; COMMIT",
    ] {
        world.changes(sql, &["topics"]).await;
    }
}

#[tokio::test]
async fn a_transaction_counts_when_it_commits_and_not_when_it_wrote() {
    let world = World::new().await;
    let mut late = world.pool.begin().await.unwrap();
    run(&mut *late, "UPDATE topics SET title = 'late' WHERE id = 1").await;
    world
        .changes("UPDATE topics SET title = 'early' WHERE id = 2", &["topics"])
        .await;
    let before = world.revision("topics").await;
    assert_eq!(world.revision("topics").await, before);
    late.commit().await.unwrap();
    assert_ne!(world.revision("topics").await, before);
}

#[tokio::test]
async fn a_prepared_transaction_counts_when_it_is_committed() {
    let world = World::new().await;
    let sql = "BEGIN; UPDATE topics SET title = 'prepared'; PREPARE TRANSACTION 'one'";
    world.changes(sql, &[]).await;
    world.changes("UPDATE tasks SET id = -id", &["tasks"]).await;
    world.changes("COMMIT PREPARED 'one'", &["topics"]).await;
    world
        .changes(
            "BEGIN; UPDATE topics SET title = 'prepared'; PREPARE TRANSACTION 'two'",
            &[],
        )
        .await;
    world.changes("ROLLBACK PREPARED 'two'", &[]).await;
}

#[tokio::test]
async fn replication_and_its_like_are_seen() {
    let world = World::new().await;
    let sql = "BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM topics WHERE id = 1; COMMIT";
    world.changes(sql, &["topics"]).await;
    let sql = "BEGIN; SET LOCAL session_replication_role = replica; TRUNCATE events_1; COMMIT";
    world.changes(sql, &["events"]).await;
}

#[tokio::test]
async fn a_change_of_the_definition_changes_the_revision() {
    let world = World::new().await;
    for sql in [
        "ALTER TABLE topics ADD COLUMN added int DEFAULT 7",
        "ALTER TABLE topics ALTER COLUMN added TYPE bigint USING 8",
        "VACUUM FULL topics",
    ] {
        world.changes(sql, &["topics"]).await;
    }
}

#[tokio::test]
async fn a_trigger_that_is_off_is_an_error_and_turning_it_on_changes_the_revision() {
    let world = World::new().await;
    let before = world.revision("topics").await;
    run(&world.pool, "ALTER TABLE topics DISABLE TRIGGER ALL").await;
    assert_eq!(world.why("topics").await, Why::Disabled { on: "topics".into() });
    run(&world.pool, "ALTER TABLE topics ENABLE TRIGGER ALL").await;
    assert_eq!(
        world.why("topics").await,
        Why::Disabled { on: "topics".into() },
        "not for replication"
    );
    run(&world.pool, "ALTER TABLE topics ENABLE ALWAYS TRIGGER cache_core_4").await;
    let after = world.revision("topics").await;
    assert_ne!(after, before);
    run(&world.pool, "ALTER TABLE topics DISABLE TRIGGER ALL").await;
    Revisions::install(&world.pool, &["topics"]).await.unwrap();
    assert_ne!(world.revision("topics").await, after);

    run(&world.pool, "ALTER TABLE events_2_2 DISABLE TRIGGER USER").await;
    assert_eq!(
        world.why("events").await,
        Why::Disabled {
            on: "events_2_2".into()
        }
    );
    run(&world.pool, "CREATE TABLE second () INHERITS (family)").await;
    assert_eq!(world.why("family").await, Why::NoTrigger { on: "second".into() });
    Revisions::install(&world.pool, &ALL).await.unwrap();
    world.changes("INSERT INTO second VALUES (1)", &["family"]).await;
}

#[tokio::test]
async fn a_table_that_is_made_anew_is_never_silently_unwatched() {
    let world = World::new().await;
    let before = world.revision("tasks").await;
    run(&world.pool, "DROP TABLE tasks").await;
    assert_eq!(world.why("tasks").await, Why::NotThere);
    run(&world.pool, "CREATE TABLE tasks (id int)").await;
    assert_eq!(world.why("tasks").await, Why::NotInstalled);
    Revisions::install(&world.pool, &["tasks"]).await.unwrap();
    assert_ne!(world.revision("tasks").await, before);
    world.changes("INSERT INTO tasks VALUES (1)", &["tasks"]).await;
}

#[tokio::test]
async fn all_that_is_wrong_is_one_error() {
    let world = World::new().await;
    run(&world.pool, "CREATE TABLE other (); ALTER TABLE tasks SET UNLOGGED").await;
    let error = world.revisions.revision(&["nowhere", "topics", "other", "tasks"]).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "a change of these tables could go unseen: `nowhere` (there is no such table), `other` (not installed: run \
         `Revisions::install` with it), `tasks` (tasks is unlogged or temporary: a crash would empty it without a word)"
    );
}

#[tokio::test]
async fn order_and_repetition_make_no_difference() {
    let world = World::new().await;
    let once = world.revisions.revision(&["topics", "tasks"]).await.unwrap();
    assert_eq!(
        world.revisions.revision(&["tasks", "topics", "tasks"]).await.unwrap(),
        once
    );
    assert_ne!(world.revision("topics").await, once);
    let none: [&str; 0] = [];
    assert!(matches!(
        world.revisions.revision(&none).await,
        Err(RevisionsError::NoTables)
    ));
}

#[tokio::test]
async fn a_name_is_looked_up_on_the_search_path_of_who_asks() {
    let world = World::new().await;
    run(&world.pool, "CREATE SCHEMA tenant; CREATE TABLE tenant.topics (id int)").await;
    let options = (*world.pool.connect_options())
        .clone()
        .options([("search_path", "tenant,public")]);
    let pool = PgPool::connect_with(options).await.unwrap();
    let tenant = Revisions::install(&pool, &["topics"]).await.unwrap();
    let before = tenant.revision(&["topics"]).await.unwrap();
    world.changes("UPDATE public.topics SET title = ''", &["topics"]).await;
    assert_eq!(tenant.revision(&["topics"]).await.unwrap(), before);
    world.changes("INSERT INTO tenant.topics VALUES (1)", &[]).await;
    assert_ne!(tenant.revision(&["topics"]).await.unwrap(), before);
    let named = world.revisions.revision(&["tenant.topics"]).await.unwrap();
    assert_ne!(named, before);
}

#[tokio::test]
async fn a_partition_that_is_being_detached_is_gone_for_readers_and_for_the_revision() {
    let world = World::new().await;
    // Otherwise detaching would add it, and that alone would change the revision.
    run(
        &world.pool,
        "ALTER TABLE events_1 ADD CHECK (day IS NOT NULL AND day = 1)",
    )
    .await;
    let before = world.revision("events").await;
    let mut reader = world.pool.begin().await.unwrap();
    run(&mut *reader, "SELECT FROM events").await;
    // It waits for the reader, and new readers do not see the partition by then.
    let pool = world.pool.clone();
    let detach =
        tokio::spawn(async move { run(&pool, "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY").await });
    let rows = async || {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events")
            .fetch_one(&world.pool)
            .await
            .unwrap()
    };
    while rows().await == 10 {
        tokio::task::yield_now().await;
    }
    assert!(!detach.is_finished());
    assert_ne!(world.revision("events").await, before);
    reader.rollback().await.unwrap();
    detach.await.unwrap();
}

#[tokio::test]
async fn a_dump_that_is_restored_is_still_installed() {
    let world = World::new().await;
    run(
        &world.pool,
        "UPDATE topics SET title = ''; INSERT INTO events VALUES (11, 1)",
    )
    .await;
    let source = world.pool.connect_options();
    let mut dump = server().program("pg_dump");
    dump.args(["--inserts", "--host=127.0.0.1", "--username=postgres"]);
    let dump = dump
        .args(["--port", &source.get_port().to_string(), source.get_database().unwrap()])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    // What is for `psql` alone begins with a backslash.
    let sql = String::from_utf8(dump.stdout).unwrap();
    let sql: Vec<&str> = sql.lines().filter(|line| !line.starts_with('\\')).collect();
    let target = server().new_database().await;
    run(&mut PgConnection::connect_with(&target).await.unwrap(), &sql.join("\n")).await;

    let pool = PgPool::connect_with(target).await.unwrap();
    let revisions = Revisions::new(pool.clone());
    let restored = World { pool, revisions };
    assert_eq!(restored.revision("topics").await.to_string(), "topics@1");
    assert_ne!(restored.revision("topics").await, world.revision("topics").await);
    restored.changes("UPDATE topics SET title = 'new'", &["topics"]).await;
    restored
        .changes("INSERT INTO events_2_2 VALUES (12, 2)", &["events"])
        .await;
    Revisions::install(&restored.pool, &ALL).await.unwrap();
}
