//! Installing and removing what counts changes: once, at once by many, and without a trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use std::time::Duration;

use cache_core::postgres::{Revisions, RevisionsError, Why};
use futures::future::join_all;
use postgres::server;
use sqlx::{AssertSqlSafe, PgPool, Row};

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .unwrap();
}

/// A database with a few tables.
async fn database() -> PgPool {
    let pool = server().database().await;
    run(
        &pool,
        "CREATE TABLE topics (id int PRIMARY KEY, title text);
         CREATE TABLE tasks (id int PRIMARY KEY, topic int REFERENCES topics ON DELETE CASCADE);
         CREATE SCHEMA \"Other\"; CREATE TABLE \"Other\".\"Order Items\" (\"select\" int);
         CREATE TABLE events (id int, day int) PARTITION BY LIST (day);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);",
    )
    .await;
    pool
}

/// Everything that is in a database's catalogs by a name, or says how a table is.
async fn catalogs(pool: &PgPool) -> Vec<String> {
    let rows = sqlx::raw_sql(
        "SELECT 'class ' || oid || relname || relhasrules || coalesce(relacl::text, '') FROM pg_class
         UNION ALL SELECT 'proc ' || proname FROM pg_proc
         UNION ALL SELECT 'trigger ' || tgname || tgrelid FROM pg_trigger
         UNION ALL SELECT 'namespace ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%temp%'
         UNION ALL SELECT 'type ' || typname FROM pg_type
         UNION ALL SELECT 'description ' || description FROM pg_description
         UNION ALL SELECT 'setting ' || setdatabase FROM pg_db_role_setting
         ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const ALL: [&str; 4] = ["topics", "tasks", "Other.Order Items", "events"];

#[tokio::test]
async fn installing_again_changes_nothing() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &ALL).await.unwrap();
    let before = (revisions.revision(&ALL).await.unwrap(), catalogs(&pool).await);
    Revisions::install(&pool, &ALL).await.unwrap();
    Revisions::install(&pool, &["topics"]).await.unwrap();
    assert_eq!((revisions.revision(&ALL).await.unwrap(), catalogs(&pool).await), before);
}

#[tokio::test]
async fn what_is_in_place_is_found_without_a_lock() {
    let pool = database().await;
    Revisions::install(&pool, &ALL).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE topics, tasks, \"Other\".\"Order Items\", events IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *other)
        .await
        .unwrap();
    // Nor is anybody waited for who installs something else.
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(7162953874205161823)")
        .execute(&mut *other)
        .await
        .unwrap();
    let revisions = Revisions::install(&pool, &ALL).await.unwrap();
    revisions.revision(&ALL).await.unwrap();
    other.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_install_at_once() {
    let pool = database().await;
    let installed = join_all((0..8).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { Revisions::install(&pool, &ALL).await.unwrap() })
    }))
    .await;
    let counted: i64 = sqlx::query_scalar("SELECT max(id)::int8 FROM cache_core.watched")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(counted, 4, "each table was installed once");
    for revisions in installed {
        revisions.unwrap().revision(&ALL).await.unwrap();
    }
}

#[tokio::test]
async fn all_that_cannot_be_watched_is_one_error_and_nothing_is_installed() {
    let pool = database().await;
    run(
        &pool,
        "CREATE VIEW seen AS SELECT 1; CREATE UNLOGGED TABLE fleeting (); CREATE TABLE family (); CREATE UNLOGGED TABLE \
         child () INHERITS (family)",
    )
    .await;
    let before = catalogs(&pool).await;
    let tables = [
        "topics",
        "nowhere",
        "nowhere.topics",
        "seen",
        "fleeting",
        "family",
        "pg_catalog.pg_class",
    ];
    let error = Revisions::install(&pool, &tables).await.unwrap_err();
    let RevisionsError::CannotWatch(unwatched) = &error else {
        panic!("{error}")
    };
    let why: Vec<(&str, &Why)> = unwatched.iter().map(|table| (&*table.table, &table.why)).collect();
    assert_eq!(
        why,
        [
            ("family", &Why::NotLogged { on: "child".into() }),
            ("fleeting", &Why::NotLogged { on: "fleeting".into() }),
            ("nowhere", &Why::NotThere),
            ("nowhere.topics", &Why::NotThere),
            ("pg_catalog.pg_class", &Why::System),
            ("seen", &Why::NotATable { on: "seen".into() }),
        ]
    );
    assert_eq!(catalogs(&pool).await, before);
}

#[tokio::test]
async fn uninstalling_leaves_nothing() {
    let pool = database().await;
    let before = catalogs(&pool).await;
    Revisions::builder().notify(true).install(&pool, &ALL).await.unwrap();
    run(
        &pool,
        "CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2); INSERT INTO topics VALUES (1)",
    )
    .await;
    assert_ne!(catalogs(&pool).await, before);
    // What is detached keeps the trigger for truncation.
    run(
        &pool,
        "DROP TABLE events_2; ALTER TABLE events DETACH PARTITION events_1",
    )
    .await;
    Revisions::uninstall(&pool).await.unwrap();
    assert_eq!(catalogs(&pool).await, before);
    Revisions::uninstall(&pool).await.unwrap();
    let error = Revisions::new(pool).revision(&["topics"]).await.unwrap_err();
    assert!(matches!(error, RevisionsError::NotInstalled), "{error}");
}

#[tokio::test]
async fn uninstalling_keeps_a_schema_that_others_use() {
    let pool = database().await;
    Revisions::install(&pool, &["topics"]).await.unwrap();
    run(&pool, "CREATE TABLE cache_core.theirs ()").await;
    Revisions::uninstall(&pool).await.unwrap();
    run(&pool, "SELECT FROM cache_core.theirs").await;
    Revisions::install(&pool, &["topics"]).await.unwrap();
}

#[tokio::test]
async fn uninstalling_some_keeps_the_others() {
    let pool = database().await;
    let revisions = Revisions::install(&pool, &ALL).await.unwrap();
    let before = revisions.revision(&["topics"]).await.unwrap();
    Revisions::uninstall_tables(&pool, &["tasks", "nowhere", "events"])
        .await
        .unwrap();
    assert_eq!(revisions.revision(&["topics"]).await.unwrap(), before);
    let error = revisions.revision(&ALL).await.unwrap_err();
    let RevisionsError::Unwatched(unwatched) = &error else {
        panic!("{error}")
    };
    let names: Vec<&str> = unwatched.iter().map(|table| &*table.table).collect();
    assert_eq!(names, ["events", "tasks"]);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 4, "two on each of the others");
}

#[tokio::test]
async fn a_table_that_stays_in_use_is_an_error_and_the_others_are_installed() {
    let pool = database().await;
    let mut writer = pool.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO topics VALUES (1)")
        .execute(&mut *writer)
        .await
        .unwrap();
    let builder = Revisions::builder().lock_timeout(Duration::from_millis(1));
    let error = builder.clone().install(&pool, &["events", "topics"]).await.unwrap_err();
    assert!(
        matches!(&error, RevisionsError::Busy { table, .. } if table == "topics"),
        "{error}"
    );
    Revisions::new(pool.clone()).revision(&["events"]).await.unwrap();
    writer.commit().await.unwrap();
    builder.install(&pool, &["events", "topics"]).await.unwrap();
}

#[tokio::test]
async fn what_a_newer_version_has_installed_is_left_alone() {
    let pool = database().await;
    Revisions::install(&pool, &["topics"]).await.unwrap();
    run(
        &pool,
        "CREATE OR REPLACE FUNCTION cache_core.version() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1000'",
    )
    .await;
    let before = catalogs(&pool).await;
    for error in [
        Revisions::install(&pool, &["topics", "tasks"])
            .await
            .map(drop)
            .unwrap_err(),
        Revisions::uninstall(&pool).await.unwrap_err(),
    ] {
        assert!(matches!(error, RevisionsError::Newer { found: 1000 }), "{error}");
    }
    assert_eq!(catalogs(&pool).await, before);
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_not_trusted() {
    let pool = database().await;
    run(
        &pool,
        "CREATE ROLE squatter; CREATE SCHEMA cache_core AUTHORIZATION squatter",
    )
    .await;
    let error = Revisions::install(&pool, &["topics"]).await.unwrap_err();
    assert!(matches!(error, RevisionsError::Denied { .. }), "{error}");
}
