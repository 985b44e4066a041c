//! Asking for revisions: what it costs, what it survives, and that nobody else has to care.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/proxy.rs"]
mod proxy;

use cache_core::postgres::{Revisions, RevisionsError, Watermarks};
use postgres::server;
use proxy::Proxy;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

async fn run(executor: impl Executor<'_, Database = Postgres>, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(executor)
        .await
        .unwrap();
}

const TABLES: [&str; 11] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10"];

/// A database with eleven tables that are watched, and how to connect to it.
async fn database() -> (PgPool, PgConnectOptions) {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    for table in TABLES {
        run(
            &pool,
            &format!("CREATE TABLE {table} (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"),
        )
        .await;
    }
    Revisions::install(&pool, &TABLES).await.unwrap();
    (pool, options)
}

/// Lets the pool's own tasks put connections back.
async fn settle(pool: &PgPool) {
    while pool.num_idle() < pool.size() as usize {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_round_trip_however_many_tables() {
    let (_direct, options) = database().await;
    let proxy = Proxy::start(&options).await;
    let pool = PgPool::connect_with(proxy.options(&options)).await.unwrap();
    let revisions = Revisions::new(pool.clone());
    let watermarks = Watermarks::max(&pool, TABLES.map(|table| (table, "at"))).unwrap();
    for _ in 0..3 {
        for tables in [&TABLES[..1], &TABLES] {
            settle(&pool).await;
            let before = (proxy.queries() + 1, proxy.syncs(), proxy.connections());
            revisions.revision(tables).await.unwrap();
            assert_eq!((proxy.queries(), proxy.syncs(), proxy.connections()), before);
        }
        settle(&pool).await;
        let before = (proxy.queries() + 1, proxy.syncs(), proxy.connections());
        watermarks.revision().await.unwrap();
        assert_eq!((proxy.queries(), proxy.syncs(), proxy.connections()), before);
    }
}

#[tokio::test]
async fn connections_that_were_lost_while_idle_are_no_error() {
    let (direct, options) = database().await;
    let proxy = Proxy::start(&options).await;
    for test_before_acquire in [true, false] {
        let pool = PgPoolOptions::new()
            .test_before_acquire(test_before_acquire)
            .max_connections(4);
        let pool = pool.connect_with(proxy.options(&options)).await.unwrap();
        let revisions = Revisions::new(pool.clone());
        let before = revisions.revision(&TABLES).await.unwrap();
        let all = [
            pool.acquire().await.unwrap(),
            pool.acquire().await.unwrap(),
            pool.acquire().await.unwrap(),
        ];
        drop(all);
        settle(&pool).await;
        proxy.cut();
        assert_eq!(revisions.revision(&TABLES).await.unwrap(), before);
        settle(&pool).await;
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";
        run(&direct, terminate).await;
        assert_eq!(revisions.revision(&TABLES).await.unwrap(), before);
    }
}

#[tokio::test]
async fn readers_under_serializable_take_no_part_in_the_conflicts_of_writers() {
    let (pool, options) = database().await;
    let strict = options.options([("default_transaction_isolation", "serializable")]);
    let pool_of_readers = PgPool::connect_with(strict.clone()).await.unwrap();
    let revisions = Revisions::new(pool_of_readers.clone());
    let watermarks = Watermarks::max(&pool_of_readers, [("t0", "id")]).unwrap();
    let mut writer = PgPool::connect_with(strict).await.unwrap().begin().await.unwrap();
    run(&mut *writer, "INSERT INTO t0 VALUES (1)").await;
    let before = revisions.revision(&TABLES).await.unwrap();
    watermarks.revision().await.unwrap();
    // Those of a reader are kept as long as the writer runs.
    let locks: Vec<String> =
        sqlx::query_scalar("SELECT relation::regclass::text FROM pg_locks WHERE mode = 'SIReadLock'")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(locks, Vec::<String>::new());
    writer.commit().await.unwrap();
    assert_ne!(revisions.revision(&TABLES).await.unwrap(), before);
}

#[tokio::test]
async fn where_no_writer_may_fold_readers_do() {
    let (pool, options) = database().await;
    let strict = options.options([("default_transaction_isolation", "repeatable read")]);
    let writer = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(strict)
        .await
        .unwrap();
    let revisions = Revisions::new(pool.clone());
    run(&writer, "INSERT INTO t0 SELECT n FROM generate_series(1, 3000) AS n").await;
    run(
        &writer,
        "DO $$ BEGIN FOR n IN 1..3000 LOOP UPDATE t0 SET at = now() WHERE id = n; COMMIT; END LOOP; END $$",
    )
    .await;
    let rows = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM cache_core.changes")
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    assert!(rows().await > 3000);
    let before = revisions.revision(&["t0"]).await.unwrap();
    while rows().await > 2000 {
        assert_eq!(revisions.revision(&["t0"]).await.unwrap(), before);
    }
}

#[tokio::test]
async fn watermarks_see_a_new_maximum() {
    let (pool, _) = database().await;
    let watermarks = Watermarks::max(&pool, [("t0", "at"), ("public.t1", "id")]).unwrap();
    let empty = watermarks.revision().await.unwrap();
    assert_eq!(empty.to_string(), "none, none");
    run(&pool, "INSERT INTO t1 VALUES (7)").await;
    let some = watermarks.revision().await.unwrap();
    assert_eq!(some.to_string(), "none, 7");
    // As its documentation says.
    run(&pool, "INSERT INTO t1 VALUES (3); DELETE FROM t1 WHERE id = 3").await;
    assert_eq!(watermarks.revision().await.unwrap(), some);
    let none: [(&str, &str); 0] = [];
    assert!(matches!(Watermarks::max(&pool, none), Err(RevisionsError::NoTables)));
    for (table, column) in [("t\"0", "at"), ("t0", "a'; DROP TABLE t0")] {
        let error = Watermarks::max(&pool, [(table, column)]).unwrap_err();
        assert!(matches!(error, RevisionsError::InvalidName { .. }), "{error}");
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(async {
        PgPoolOptions::new()
            .connect_lazy("postgres://127.0.0.1:1/none")
            .unwrap()
    });
    let revisions = Revisions::new(pool.clone());
    let error = |error| assert!(matches!(error, RevisionsError::NoRuntime), "{error}");
    error(futures::executor::block_on(revisions.revision(&["t0"])).unwrap_err());
    error(futures::executor::block_on(Revisions::install(&pool, &["t0"])).unwrap_err());
    error(futures::executor::block_on(Revisions::uninstall(&pool)).unwrap_err());
    error(
        revisions
            .listen(cache_core::postgres::Listen::new())
            .map(drop)
            .unwrap_err(),
    );
    drop(runtime.enter());
}
