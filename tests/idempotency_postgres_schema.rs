//! The table of records: made by many at once, found to be another one than it was, and mended by what the check says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/records.rs"]
mod records;

use cache_core::idempotency::{Backend, PgBackend, PgBackendError, PgFault};
use futures::future::join_all;
use postgres::server;
use records::{HOUR, OURS, backend, claim, is, record, reply, run, settled, token};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

/// A role of this database that may do nothing, and how to connect as it.
async fn role(pool: &PgPool, options: &PgConnectOptions) -> (String, PgPool) {
    let name = format!("role_{}", options.get_database().unwrap());
    run(
        pool,
        &format!("CREATE ROLE {name} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    )
    .await;
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_with(options.clone().username(&name))
        .await
        .unwrap();
    (name, pool)
}

async fn faults(backend: &PgBackend) -> Vec<PgFault> {
    match backend.check_schema().await {
        Ok(()) => Vec::new(),
        Err(PgBackendError::Drift(faults)) => faults,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_make_it_at_once() {
    for _ in 0..5 {
        let options = server().new_database().await;
        // As processes would: each with connections of its own.
        let pools = join_all((0..12).map(|_| PgPool::connect_with(options.clone()))).await;
        let workers = pools
            .into_iter()
            .map(|pool| tokio::spawn(async move { PgBackend::new(pool.unwrap()).create_schema().await }));
        for made in join_all(workers.collect::<Vec<_>>()).await {
            made.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn where_it_is_right_no_right_to_create_is_needed() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    let (role, worker) = role(&pool, &options).await;
    let worker = PgBackend::new(worker);
    let denied = worker.create_schema().await.unwrap_err();
    assert!(matches!(denied, PgBackendError::Denied { .. }), "{denied}");
    let owner = backend(&pool).await;
    let faults = faults(&worker).await;
    assert_eq!(faults.len(), 4, "{faults:?}");
    for fault in faults {
        run(&pool, &fault.sql).await;
    }
    worker.create_schema().await.unwrap();
    assert_eq!(worker.claim(&record("a"), claim(1)).await.unwrap(), OURS);
    assert!(
        worker
            .settle(&record("a"), token(1), &reply("yes"), HOUR)
            .await
            .unwrap()
    );
    assert_eq!(worker.delete_expired(1).await.unwrap(), 0);
    assert_eq!(owner.claim(&record("a"), claim(2)).await.unwrap(), settled("yes"));
    run(&pool, &format!("REVOKE ALL ON idempotency_records FROM {role}")).await;
    let denied = worker.claim(&record("b"), claim(1)).await.unwrap_err();
    assert!(matches!(denied, PgBackendError::Denied { .. }), "{denied}");
    assert!(
        denied.to_string().contains("GRANT SELECT, INSERT, UPDATE, DELETE"),
        "{denied}"
    );
}

#[tokio::test]
async fn a_migration_can_make_it() {
    let pool = server().database().await;
    let backend = PgBackend::new(pool.clone());
    let error = backend.check_schema().await.unwrap_err();
    assert!(matches!(error, PgBackendError::NoTable { .. }), "{error}");
    let error = backend.claim(&record("a"), claim(1)).await.unwrap_err();
    assert!(error.to_string().contains("create_schema"), "{error}");
    for _ in 0..2 {
        run(&pool, &backend.schema_sql()).await;
        backend.check_schema().await.unwrap();
    }
}

#[tokio::test]
async fn it_is_found_on_the_search_path() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    run(&pool, "CREATE SCHEMA ours").await;
    let ours = PgPool::connect_with(options.options([("search_path", "ours")]))
        .await
        .unwrap();
    backend(&ours).await;
    assert!(is(&pool, "to_regclass('ours.idempotency_records') IS NOT NULL").await);
    let error = PgBackend::new(pool).check_schema().await.unwrap_err();
    assert!(matches!(error, PgBackendError::NoTable { .. }), "{error}");
}

/// What was done to a table, and what the check has to say about it.
const DRIFTS: [(&str, &[&str]); 21] = [
    ("ALTER TABLE t DROP COLUMN payload", &["`payload` is missing"]),
    (
        "ALTER TABLE t DROP COLUMN expires_at",
        &["`expires_at` is missing", "no index on `expires_at`"],
    ),
    ("ALTER TABLE t DROP COLUMN outcome", &["`outcome` is missing"]),
    ("ALTER TABLE t DROP COLUMN key", &["`key` is missing", "no primary key"]),
    (
        "ALTER TABLE t ALTER lease_until TYPE timestamp",
        &["`lease_until` is timestamp without time zone and has to be timestamp with time zone"],
    ),
    (
        "ALTER TABLE t ALTER expires_at TYPE timestamp, ALTER created_at TYPE timestamp",
        &["`expires_at` is timestamp without", "`created_at` is timestamp without"],
    ),
    ("ALTER TABLE t ALTER outcome TYPE int", &["`outcome` is integer"]),
    (
        "ALTER TABLE t ALTER reply TYPE text USING 'x'",
        &["`reply` is text and has to be bytea"],
    ),
    (
        "ALTER TABLE t ALTER key TYPE varchar(64) COLLATE \"C\"",
        &["`key` is character varying(64)"],
    ),
    (
        "ALTER TABLE t ALTER key TYPE text COLLATE \"default\"",
        &["`key` has no COLLATE \"C\""],
    ),
    (
        "ALTER TABLE t ALTER scope TYPE text COLLATE \"en-x-icu\"",
        &["`scope` has no COLLATE \"C\""],
    ),
    (
        "ALTER TABLE t ALTER token DROP NOT NULL, ALTER expires_at DROP NOT NULL",
        &["`token` is not NOT NULL", "`expires_at` is not NOT NULL"],
    ),
    (
        "UPDATE t SET reply = ''; ALTER TABLE t ALTER reply SET NOT NULL",
        &["`reply` is NOT NULL"],
    ),
    ("ALTER TABLE t DROP CONSTRAINT t_pkey", &["no primary key"]),
    (
        "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT \"it's \"\"PK\" PRIMARY KEY (scope, key, token)",
        &["primary key is of (scope,key,token)"],
    ),
    (
        "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (scope, key) DEFERRABLE",
        &["is checked later"],
    ),
    (
        "ALTER TABLE t ADD UNIQUE (key); CREATE UNIQUE INDEX \"One\" ON t (scope)",
        &["the same (scope)", "the same (key)"],
    ),
    (
        "DROP INDEX t_expires_at_idx; CREATE INDEX t_expires_at_idx ON t (expires_at) WHERE outcome IS NULL",
        &["no index on `expires_at`"],
    ),
    ("ALTER TABLE t SET UNLOGGED", &["is unlogged"]),
    (
        "ALTER TABLE t ADD \"Their \"\"own\" int NOT NULL DEFAULT 1, ADD fine int NOT NULL DEFAULT 1, ADD COLUMN number int \
         GENERATED ALWAYS AS IDENTITY; ALTER TABLE t ALTER \"Their \"\"own\" DROP DEFAULT",
        &["column \"Their \"\"own\" of somebody else's is NOT NULL"],
    ),
    (
        "CREATE RULE a AS ON DELETE TO t DO ALSO NOTIFY a; CREATE RULE b AS ON DELETE TO t DO ALSO NOTIFY b",
        &["has rules"],
    ),
];

#[tokio::test]
async fn each_drift_is_found_and_what_it_says_mends_it() {
    let pool = server().database().await;
    for (number, (drift, expected)) in DRIFTS.into_iter().enumerate() {
        let table = format!("t{number}");
        let backend = PgBackend::with_table(pool.clone(), &table).unwrap();
        backend.create_schema().await.unwrap();
        backend.claim(&record("a"), claim(1)).await.unwrap();
        let drift = drift
            .replace(" t ", &format!(" {table} "))
            .replace("t_pkey", &format!("{table}_pkey"))
            .replace("t_expires", &format!("{table}_expires"));
        run(&pool, &drift).await;
        let found = faults(&backend).await;
        let all: Vec<String> = found.iter().map(|fault| fault.what.clone()).collect();
        assert_eq!(all.len(), expected.len(), "{drift}: {all:?}");
        for (what, expected) in all.iter().zip(expected) {
            assert!(what.contains(expected), "{drift}: {all:?}");
        }
        // It is for people to decide.
        let error = backend.create_schema().await.unwrap_err();
        assert!(matches!(error, PgBackendError::Drift(_)), "{error}");
        for fault in &found {
            assert!(error.to_string().contains(&fault.sql), "{error}");
            run(&pool, &fault.sql).await;
        }
        let left = faults(&backend).await;
        assert!(left.is_empty(), "{drift}: {left:?}");
        // And then it works.
        assert_eq!(backend.claim(&record("b"), claim(1)).await.unwrap(), OURS, "{drift}");
        assert!(
            backend
                .settle(&record("b"), token(1), &reply("yes"), HOUR)
                .await
                .unwrap()
        );
        assert_eq!(backend.claim(&record("b"), claim(2)).await.unwrap(), settled("yes"));
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_listed_at_once() {
    let pool = server().database().await;
    run(
        &pool,
        "CREATE UNLOGGED TABLE idempotency_records (key text PRIMARY KEY, reply jsonb, at date NOT NULL)",
    )
    .await;
    let backend = PgBackend::new(pool.clone());
    let found = faults(&backend).await;
    // Unlogged; eight columns missing, one without COLLATE, one of another type; one of somebody else's; primary key; index; functions.
    assert_eq!(found.len(), 1 + 8 + 1 + 1 + 1 + 1 + 1 + 2, "{found:#?}");
    for fault in found {
        run(&pool, &fault.sql).await;
    }
    backend.check_schema().await.unwrap();
    assert_eq!(backend.claim(&record("a"), claim(1)).await.unwrap(), OURS);
}

#[tokio::test]
async fn what_is_no_table_of_records_is_said_to_be_none() {
    let pool = server().database().await;
    for (name, make, what) in [
        ("a", "CREATE VIEW a AS SELECT 1 AS one", "of kind `v`"),
        (
            "b",
            "CREATE TABLE b (scope text, key text) PARTITION BY HASH (scope)",
            "of kind `p`",
        ),
        ("c", "CREATE SEQUENCE c", "of kind `S`"),
    ] {
        run(&pool, make).await;
        let backend = PgBackend::with_table(pool.clone(), name).unwrap();
        let found = faults(&backend).await;
        assert!(found.len() == 1 && found[0].what.contains(what), "{found:?}");
        run(&pool, &found[0].sql).await;
        backend.create_schema().await.unwrap();
    }
}

#[tokio::test]
async fn a_temporary_table_in_front_of_it_is_found() {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    let backend = backend(&pool).await;
    run(
        &pool,
        "CREATE TEMPORARY TABLE idempotency_records (LIKE idempotency_records INCLUDING ALL)",
    )
    .await;
    let found = faults(&backend).await;
    assert!(found.len() == 1 && found[0].what.contains("temporary"), "{found:?}");
    run(&pool, &found[0].sql).await;
    backend.check_schema().await.unwrap();
}

#[tokio::test]
async fn row_level_security_that_hides_rows_is_found() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    let (role, worker) = role(&pool, &options).await;
    let owner = backend(&pool).await;
    run(
        &pool,
        &format!(
            "GRANT ALL ON idempotency_records TO {role}; ALTER TABLE idempotency_records ENABLE ROW LEVEL SECURITY"
        ),
    )
    .await;
    owner.check_schema().await.unwrap();
    let worker = PgBackend::new(worker);
    let found = faults(&worker).await;
    assert!(
        found.len() == 1 && found[0].what.contains("row-level security"),
        "{found:?}"
    );
    run(&pool, &found[0].sql).await;
    worker.check_schema().await.unwrap();
}

#[tokio::test]
async fn a_statement_that_does_not_fit_the_table_says_to_check_it() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    for drift in [
        "ALTER TABLE idempotency_records RENAME COLUMN token TO tokens",
        "ALTER TABLE idempotency_records RENAME COLUMN tokens TO token; \
         ALTER TABLE idempotency_records DROP CONSTRAINT idempotency_records_pkey",
        "ALTER TABLE idempotency_records ADD PRIMARY KEY (scope, key); ALTER TABLE idempotency_records ADD more int NOT NULL",
    ] {
        run(&pool, drift).await;
        let error = backend.claim(&record("a"), claim(1)).await.unwrap_err();
        assert!(matches!(error, PgBackendError::Unfit { .. }), "{error}");
        assert!(error.to_string().contains("check_schema"), "{error}");
    }
}

#[tokio::test]
async fn names_of_tables_are_letters_digits_and_underscores() {
    let pool = server().database().await;
    let longest = "t".repeat(63);
    // Words of SQL's, and names that begin alike, whose indexes may not share a name.
    let alike = [format!("{}a", "t".repeat(62)), format!("{}b", "t".repeat(62))];
    for name in ["_", "select", "user", "a1_", &longest, &alike[0], &alike[1]] {
        let backend = PgBackend::with_table(pool.clone(), name).unwrap();
        backend.create_schema().await.unwrap();
        assert_eq!(backend.claim(&record("a"), claim(1)).await.unwrap(), OURS, "{name}");
        assert!(
            backend
                .settle(&record("a"), token(1), &reply(name), HOUR)
                .await
                .unwrap()
        );
        assert_eq!(backend.claim(&record("a"), claim(2)).await.unwrap(), settled(name));
        assert_eq!(backend.delete_expired(1).await.unwrap(), 0);
    }
    let long = "t".repeat(64);
    for name in [
        "",
        "1a",
        "A",
        "Records",
        "a b",
        "a.b",
        "public.records",
        "a-b",
        "a\"b",
        "a'b",
        "a\\b",
        "a\0",
        "a\n",
        "ä",
        "a;b",
        "a$b",
        "t\u{202e}",
        &long,
    ] {
        let error = PgBackend::with_table(pool.clone(), name).unwrap_err();
        assert!(
            matches!(&error, PgBackendError::InvalidTable { name: given } if given == name),
            "{error}"
        );
        let shown = error.to_string();
        assert!(
            !shown.contains(char::is_control) && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn an_index_that_has_its_name_taken_is_missed() {
    let pool = server().database().await;
    run(&pool, "CREATE TABLE idempotency_records_expires_at_idx ()").await;
    let backend = PgBackend::new(pool.clone());
    match backend.create_schema().await.unwrap_err() {
        PgBackendError::Drift(faults) => {
            for fault in faults {
                run(&pool, &fault.sql).await;
            }
        }
        error => panic!("{error}"),
    }
    backend.create_schema().await.unwrap();
}

/// The functions beside a table, in quotes and with their schema.
async fn functions(pool: &PgPool, table: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT pronamespace::regnamespace || '.' || quote_ident(proname) FROM pg_proc \
         WHERE proname ~ '^{table}_(claim|settle)_[0-9a-f]{{12}}$' ORDER BY proname"
    )))
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn works(backend: &PgBackend, key: &str) {
    assert_eq!(backend.claim(&record(key), claim(1)).await.unwrap(), OURS);
    assert!(
        backend
            .settle(&record(key), token(1), &reply("yes"), HOUR)
            .await
            .unwrap()
    );
    assert_eq!(backend.claim(&record(key), claim(2)).await.unwrap(), settled("yes"));
}

#[tokio::test]
async fn functions_that_are_missing_are_said_to_be_and_made() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    let made = functions(&pool, "idempotency_records").await;
    assert_eq!(made.len(), 2, "{made:?}");
    for by_hand in [true, false] {
        for function in &made {
            run(&pool, &format!("DROP FUNCTION {function}")).await;
        }
        for error in [
            backend.claim(&record("a"), claim(1)).await.unwrap_err(),
            backend
                .settle(&record("a"), token(1), &reply("yes"), HOUR)
                .await
                .unwrap_err(),
        ] {
            let (shown, name) = match &error {
                PgBackendError::NoFunction { function } => (error.to_string(), function),
                error => panic!("{error}"),
            };
            assert!(made.contains(&format!("public.{name}")), "{shown}");
            assert!(
                shown.contains(name) && shown.contains("create_schema") && shown.contains("check_schema"),
                "{shown}"
            );
        }
        let found = faults(&backend).await;
        assert_eq!(found.len(), 2, "{found:?}");
        for (fault, function) in found.iter().zip(&made) {
            let name = function.trim_start_matches("public.");
            assert!(
                fault.what.contains(name) && fault.what.contains("is missing"),
                "{fault}"
            );
            if by_hand {
                run(&pool, &fault.sql).await;
            }
        }
        if !by_hand {
            backend.create_schema().await.unwrap();
        }
        backend.check_schema().await.unwrap();
        assert_eq!(functions(&pool, "idempotency_records").await, made);
        works(&backend, if by_hand { "by hand" } else { "made" }).await;
    }
}

#[tokio::test]
async fn functions_are_made_beside_a_table_that_is_there_and_not_right() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    for function in functions(&pool, "idempotency_records").await {
        run(&pool, &format!("DROP FUNCTION {function}")).await;
    }
    run(&pool, "ALTER TABLE idempotency_records SET UNLOGGED").await;
    match backend.create_schema().await.unwrap_err() {
        PgBackendError::Drift(faults) => {
            assert!(faults.len() == 1 && faults[0].what.contains("unlogged"), "{faults:?}");
        }
        error => panic!("{error}"),
    }
    works(&backend, "a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_make_functions_at_once() {
    for _ in 0..5 {
        let options = server().new_database().await;
        let pool = PgPool::connect_with(options.clone()).await.unwrap();
        backend(&pool).await;
        for function in functions(&pool, "idempotency_records").await {
            run(&pool, &format!("DROP FUNCTION {function}")).await;
        }
        let pools = join_all((0..12).map(|_| PgPool::connect_with(options.clone()))).await;
        let workers = pools
            .into_iter()
            .map(|pool| tokio::spawn(async move { PgBackend::new(pool.unwrap()).create_schema().await }));
        for made in join_all(workers.collect::<Vec<_>>()).await {
            made.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_function_that_may_not_be_executed_is_denied_and_what_the_check_says_mends_it() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    let (role, worker) = role(&pool, &options).await;
    let owner = backend(&pool).await;
    run(&pool, &format!("GRANT ALL ON idempotency_records TO {role}")).await;
    let worker = PgBackend::new(worker);
    worker.check_schema().await.unwrap();
    let made = functions(&pool, "idempotency_records").await;
    for function in &made {
        run(&pool, &format!("REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")).await;
    }
    owner.check_schema().await.unwrap();
    for denied in [
        worker.claim(&record("a"), claim(1)).await.unwrap_err(),
        worker
            .settle(&record("a"), token(1), &reply("yes"), HOUR)
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(denied, PgBackendError::Denied { .. }), "{denied}");
        assert!(denied.to_string().contains("GRANT EXECUTE"), "{denied}");
    }
    // They are there, so this makes none, for which it has no right.
    let error = worker.create_schema().await.unwrap_err();
    assert!(matches!(error, PgBackendError::Drift(_)), "{error}");
    let found = faults(&worker).await;
    assert_eq!(found.len(), 2, "{found:?}");
    for (fault, function) in found.iter().zip(&made) {
        let name = function.trim_start_matches("public.");
        assert!(
            fault.what.contains("may not EXECUTE") && fault.what.contains(name),
            "{fault}"
        );
        assert!(
            fault.what.contains(&role) && fault.sql.contains("GRANT EXECUTE"),
            "{fault}"
        );
        run(&pool, &fault.sql).await;
    }
    worker.create_schema().await.unwrap();
    works(&worker, "a").await;
}

#[tokio::test]
async fn a_function_of_another_version_stays_and_is_not_called() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    let made = functions(&pool, "idempotency_records").await;
    // Of one table, another version's functions: what they are differs, and so the names.
    for function in &made {
        let what = if function.contains("claim") { "claim" } else { "settle" };
        run(
            &pool,
            &format!(
                "DO $$ BEGIN EXECUTE replace(replace(pg_get_functiondef('{function}'::regproc), '{name}', \
                 'idempotency_records_{what}_0123456789ab'), 'BEGIN', 'BEGIN RAISE EXCEPTION ''of another version'';'); END $$",
                name = function.trim_start_matches("public."),
            ),
        )
        .await;
    }
    assert_eq!(functions(&pool, "idempotency_records").await.len(), 4);
    works(&backend, "a").await;
    backend.check_schema().await.unwrap();
    // The other one, when it comes first, leaves ours to be made beside its own.
    for function in &made {
        run(&pool, &format!("DROP FUNCTION {function}")).await;
    }
    backend.create_schema().await.unwrap();
    works(&backend, "b").await;
    assert_eq!(functions(&pool, "idempotency_records").await.len(), 4);
}

#[tokio::test]
async fn functions_that_were_changed_are_found_and_what_it_says_mends_them() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    let backend = backend(&pool).await;
    let claim = functions(&pool, "idempotency_records").await.swap_remove(0);
    for change in [
        format!("ALTER FUNCTION {claim} SECURITY DEFINER"),
        format!("ALTER FUNCTION {claim} STABLE"),
        format!("ALTER FUNCTION {claim} STRICT"),
        format!("ALTER FUNCTION {claim} RESET ALL"),
        format!("ALTER FUNCTION {claim} SET search_path = pg_catalog"),
        format!("DO $$ BEGIN EXECUTE replace(pg_get_functiondef('{claim}'::regproc), 'busy', 'ours new'); END $$"),
    ] {
        run(&pool, &change).await;
        let found = faults(&backend).await;
        assert!(
            found.len() == 1 && found[0].what.contains("is another one than it has to be"),
            "{change}: {found:?}"
        );
        run(&pool, &found[0].sql).await;
        assert!(faults(&backend).await.is_empty(), "{change}");
    }
    // One of its name that is found first.
    run(&pool, "CREATE SCHEMA \"It's $ first\"").await;
    let sql = format!(
        "DO $$ BEGIN EXECUTE replace(replace(pg_get_functiondef('{claim}'::regproc), 'FUNCTION public.', 'FUNCTION \"It''s $ first\".'), \
         'busy', 'ours new'); END $$"
    );
    run(&pool, &sql).await;
    let path = options.options([("search_path", "\"It's $ first\",public")]);
    let other = PgBackend::new(PgPool::connect_with(path).await.unwrap());
    let found = faults(&other).await;
    assert!(
        found.len() == 1 && found[0].what.contains("\"It's $ first\"."),
        "{found:?}"
    );
    run(&pool, &found[0].sql).await;
    other.create_schema().await.unwrap();
    backend.check_schema().await.unwrap();
    works(&other, "a").await;
}

#[tokio::test]
async fn functions_are_made_in_the_schema_of_the_table() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    run(&pool, "CREATE SCHEMA first; CREATE SCHEMA \"Our $own\"").await;
    let ours = PgPool::connect_with(options.clone().options([("search_path", "\"Our $own\"")]))
        .await
        .unwrap();
    backend(&ours).await;
    for function in functions(&pool, "idempotency_records").await {
        run(&pool, &format!("DROP FUNCTION {function}")).await;
    }
    let both = PgPool::connect_with(options.options([("search_path", "first,\"Our $own\"")]))
        .await
        .unwrap();
    let both = backend(&both).await;
    let made = functions(&pool, "idempotency_records").await;
    assert!(
        made.len() == 2 && made.iter().all(|name| name.contains("Our $own")),
        "{made:?}"
    );
    works(&both, "a").await;
    works(&PgBackend::new(ours), "b").await;
}

#[tokio::test]
async fn one_connection_finds_the_table_of_each_search_path() {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    run(&pool, "CREATE SCHEMA one; CREATE SCHEMA two").await;
    let sole = PgBackend::new(pool.clone());
    for schema in ["one", "two"] {
        run(&pool, &format!("SET search_path = {schema}")).await;
        sole.create_schema().await.unwrap();
    }
    // The functions of one, of which the server keeps the plans, and in turn both tables.
    for round in 0..10 {
        for path in ["one", "two, one"] {
            run(&pool, &format!("SET search_path = {path}")).await;
            works(&sole, &round.to_string()).await;
        }
    }
    for schema in ["one", "two"] {
        assert!(is(&pool, &format!("count(*) = 10 FROM {schema}.idempotency_records")).await);
    }
}

#[tokio::test]
async fn columns_of_others_are_not_taken_for_what_a_function_was_given() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    run(
        &pool,
        "ALTER TABLE idempotency_records ADD of_scope text DEFAULT 'x', ADD of_key text DEFAULT 'x', ADD by_token bytea DEFAULT '', \
         ADD for_payload bytea DEFAULT '', ADD for_lease interval, ADD for_ttl interval, ADD is_taking_over bool, ADD its_turn int8, \
         ADD idle_millis int8, ADD of_kind int, ADD sealed_reply bytea DEFAULT '', ADD its_outcome int, ADD r int",
    )
    .await;
    backend.check_schema().await.unwrap();
    works(&backend, "a").await;
}

#[tokio::test]
async fn a_plan_made_for_a_small_table_does_not_read_all_of_a_large_one() {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    let backend = backend(&pool).await;
    run(
        &pool,
        "ALTER TABLE idempotency_records SET (autovacuum_enabled = false)",
    )
    .await;
    works(&backend, "first").await;
    run(&pool, "VACUUM ANALYZE idempotency_records").await;
    // Until the server keeps a plan.
    for number in 0..20 {
        works(&backend, &number.to_string()).await;
    }
    let scans = "(SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'idempotency_records')";
    let mut tx = pool.begin().await.unwrap();
    let read = async |tx: &mut sqlx::PgConnection| -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT {scans}")))
            .fetch_one(tx)
            .await
            .unwrap()
    };
    let before = read(&mut tx).await;
    for function in functions_in(&mut tx).await {
        let call = if function.contains("claim") {
            format!("SELECT {function}('a', 'b', 'c', 'd', '1 h', '1 h', true, 1, NULL)")
        } else {
            format!("SELECT {function}('a', 'b', 'c', 1, 'd', '1 h')")
        };
        run(&mut *tx, &call).await;
    }
    assert_eq!(read(&mut tx).await, before);
}

async fn functions_in(connection: &mut sqlx::PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT proname::text FROM pg_proc WHERE proname ~ '^idempotency_records_(claim|settle)_' ORDER BY proname",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}
