//! Roles: what they need to write and to read, and that they get no more by it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use cache_core::postgres::{Revisions, RevisionsError};
use postgres::server;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

async fn run(executor: impl Executor<'_, Database = Postgres>, sql: &str) {
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(executor).await;
    result.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A database with two tables that are watched, and how to connect to it.
async fn database() -> (PgPool, PgConnectOptions) {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    run(
        &pool,
        "CREATE TABLE t0 (id int PRIMARY KEY, at timestamptz); CREATE TABLE t1 (id int)",
    )
    .await;
    Revisions::builder()
        .notify(true)
        .install(&pool, &["t0", "t1"])
        .await
        .unwrap();
    (pool, options)
}

#[tokio::test]
async fn a_role_needs_no_right_to_write_and_one_to_read() {
    let (pool, options) = database().await;
    run(
        &pool,
        "CREATE ROLE writer LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE nobody_special LOGIN;
         GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON ALL TABLES IN SCHEMA public TO writer;
         GRANT USAGE ON SCHEMA cache_core TO reader",
    )
    .await;
    let connect = |role: &str| PgPoolOptions::new().connect_lazy_with(options.clone().username(role));
    let (writer, reader) = (connect("writer"), Revisions::new(connect("reader")));
    for sql in [
        "INSERT INTO t0 VALUES (1)",
        "UPDATE t0 SET at = now()",
        "DELETE FROM t0",
        "TRUNCATE t0",
    ] {
        let before = reader.revision(&["t0"]).await.unwrap();
        run(&writer, sql).await;
        assert_ne!(reader.revision(&["t0"]).await.unwrap(), before, "{sql}");
    }
    for role in ["writer", "nobody_special"] {
        let error = Revisions::new(connect(role)).revision(&["t0"]).await.unwrap_err();
        assert!(matches!(error, RevisionsError::Denied { .. }), "{error}");
        let error = Revisions::install(&connect(role), &["t0", "t1"]).await.unwrap_err();
        assert!(matches!(error, RevisionsError::Denied { .. }), "{error}");
    }
    for sql in [
        "SELECT cache_core.fold(1)",
        "SELECT cache_core.watch('t0', true)",
        "DELETE FROM cache_core.changes",
        "UPDATE cache_core.watched SET notify = true",
    ] {
        let error = connect("reader").execute(sql).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}");
    }
}

/// Operators that the bodies use, for types that they use them with or that would fit as well.
const OPERATORS: [(&str, &str, &str, &str); 16] = [
    ("=", "int4", "int4", "bool"),
    ("=", "int8", "int8", "bool"),
    ("=", "int8", "int4", "bool"),
    ("=", "text", "text", "bool"),
    ("=", "oid", "oid", "bool"),
    ("=", "tid", "tid", "bool"),
    ("=", "name", "name", "bool"),
    ("=", "name", "text", "bool"),
    ("=", "regclass", "regclass", "bool"),
    ("<>", "\"char\"", "\"char\"", "bool"),
    ("<>", "bool", "bool", "bool"),
    ("<>", "regclass", "regclass", "bool"),
    (">", "int8", "int4", "bool"),
    (">", "int8", "int8", "bool"),
    ("||", "text", "text", "text"),
    ("||", "text", "regclass", "text"),
];

/// Functions that they use.
const FUNCTIONS: [(&str, &str, &str); 15] = [
    ("mod", "int8, int8", "int8"),
    ("mod", "numeric, numeric", "numeric"),
    ("clock_timestamp", "", "timestamptz"),
    ("date_part", "text, timestamptz", "float8"),
    ("hashfloat8extended", "float8, int8", "int8"),
    ("int8and", "int8, int8", "int8"),
    ("pg_notify", "text, text", "void"),
    ("current_setting", "text", "text"),
    ("current_setting", "text, bool", "text"),
    ("set_config", "text, text, bool", "text"),
    ("starts_with", "text, text", "bool"),
    ("texteq", "text, text", "bool"),
    ("int8eq", "int8, int8", "bool"),
    ("int8gt", "int8, int8", "bool"),
    ("pg_current_xact_id", "", "xid8"),
];

/// Puts all of these into the schema `evil`, where each notes as whom it runs.
async fn overload(mallory: &PgPool) {
    run(
        mallory,
        "CREATE TABLE evil.ran (who text, what text);
         GRANT ALL ON evil.ran TO PUBLIC; GRANT USAGE ON SCHEMA evil TO PUBLIC;
         CREATE FUNCTION evil.note(what text) RETURNS void LANGUAGE sql VOLATILE
             AS 'INSERT INTO evil.ran VALUES (current_user, what)'",
    )
    .await;
    for (number, (operator, left, right, result)) in OPERATORS.into_iter().enumerate() {
        run(
            mallory,
            &format!(
                "CREATE FUNCTION evil.operator_{number}({left}, {right}) RETURNS {result} LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM evil.note('{operator}'); RETURN NULL; END $$;
                 CREATE OPERATOR evil.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = evil.operator_{number})"
            ),
        )
        .await;
    }
    for (function, arguments, result) in FUNCTIONS {
        let value = if result == "void" { "" } else { "NULL" };
        run(
            mallory,
            &format!(
                "CREATE FUNCTION evil.{function}({arguments}) RETURNS {result} LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM evil.note('{function}'); RETURN {value}; END $$"
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn a_search_path_takes_nothing_over() {
    let (pool, options) = database().await;
    run(
        &pool,
        "CREATE ROLE mallory LOGIN; CREATE SCHEMA evil AUTHORIZATION mallory; GRANT INSERT ON t0 TO mallory;
         GRANT USAGE ON SCHEMA cache_core TO mallory",
    )
    .await;
    let path = [("search_path", "evil, pg_catalog, public")];
    let mallory = PgPoolOptions::new().max_connections(1);
    let mallory = mallory
        .connect_with(options.username("mallory").options(path))
        .await
        .unwrap();
    overload(&mallory).await;
    let revisions = Revisions::new(mallory.clone());
    for number in 0..300 {
        let before = revisions.revision(&["public.t0"]).await.unwrap();
        run(&mallory, &format!("INSERT INTO public.t0 VALUES ({number})")).await;
        assert_ne!(revisions.revision(&["public.t0"]).await.unwrap(), before);
    }
    run(&mallory, "SELECT cache_core.fold_all()").await;
    let ran: Vec<String> = sqlx::query_scalar("SELECT DISTINCT what || ' as ' || who FROM evil.ran")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(ran, Vec::<String>::new(), "ran in place of Postgres's own");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_core.changes")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows, 1, "all was folded");
}
