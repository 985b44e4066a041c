//! Claims in transactions that are open: nobody waits for them, and they are gone with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/records.rs"]
mod records;

use std::time::Duration;

use cache_core::idempotency::{
    Backend, Claim, Claimed, IdempotencyError, IdempotencyStore, Outcome, PgBackend, Request,
};
use postgres::server;
use records::{BUSY, HOUR, OURS, TAKEN_OVER, claim, ended, expire, is, record, reply, run, soon, token};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres, Transaction};

/// A pool, and a store that does not wait.
async fn ready() -> (PgPool, IdempotencyStore<PgBackend>) {
    let pool = server().database().await;
    let store = store(&pool, Duration::from_secs(30));
    store.create_schema().await.unwrap();
    run(&pool, "CREATE TABLE effects (key text)").await;
    (pool, store)
}

fn store(pool: &PgPool, lease: Duration) -> IdempotencyStore<PgBackend> {
    IdempotencyStore::builder(PgBackend::new(pool.clone()))
        .wait(Duration::ZERO)
        .lease(lease)
        .build()
        .unwrap()
}

/// A request whose record is that of [`record`].
fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload("shoes")
}

/// Runs a request in this transaction, which stays open.
async fn order(
    store: &IdempotencyStore<PgBackend>,
    tx: &mut Transaction<'_, Postgres>,
    key: &str,
) -> Result<Outcome<u8>, IdempotencyError> {
    let handler = async |tx: &mut sqlx::PgConnection| {
        run(tx, "INSERT INTO effects VALUES ('one')").await;
        Ok(7)
    };
    soon(store.in_transaction(tx, request(key), handler)).await
}

async fn effects(pool: &PgPool, number: u8) {
    assert!(is(pool, &format!("count(*) = {number} FROM effects")).await);
}

#[tokio::test]
async fn nobody_waits_for_a_claim_in_an_open_transaction() {
    for (is_expired, commits) in [(false, true), (false, false), (true, true), (true, false)] {
        let (pool, store) = ready().await;
        let backend = store.backend();
        if is_expired {
            backend.claim(&record("a"), claim(1)).await.unwrap();
            expire(&pool).await;
        }
        let mut open = pool.begin().await.unwrap();
        assert_eq!(order(&store, &mut open, "a").await.unwrap(), Outcome::Fresh(7));
        // Neither of both kinds.
        assert_eq!(soon(backend.claim(&record("a"), claim(2))).await.unwrap(), BUSY);
        let mut second = pool.begin().await.unwrap();
        let busy = order(&store, &mut second, "a").await.unwrap_err();
        assert!(matches!(busy, IdempotencyError::InProgress { .. }), "{busy}");
        // Nothing is swept from under it.
        assert_eq!(soon(backend.delete_expired(10)).await.unwrap(), 0);
        if commits {
            open.commit().await.unwrap();
            assert_eq!(order(&store, &mut second, "a").await.unwrap(), Outcome::Replayed(7));
            let settled = backend.claim(&record("a"), claim(2)).await.unwrap();
            assert!(matches!(settled, Claimed::Settled { .. }), "{settled:?}");
            assert_eq!(backend.delete_expired(10).await.unwrap(), 0);
        } else {
            open.rollback().await.unwrap();
            assert_eq!(order(&store, &mut second, "a").await.unwrap(), Outcome::Fresh(7));
        }
        second.commit().await.unwrap();
        effects(&pool, 1).await;
    }
}

#[tokio::test]
async fn a_record_that_was_given_up_is_taken_over_in_a_transaction_or_not_at_all() {
    for commits in [true, false] {
        let (pool, store) = ready().await;
        let backend = store.backend();
        backend.claim(&record("a"), ended(1)).await.unwrap();
        // It was the same request.
        run(&pool, "UPDATE idempotency_records SET payload = sha256('\"shoes\"')").await;
        let payload: Vec<u8> = sqlx::query_scalar("SELECT payload FROM idempotency_records")
            .fetch_one(&pool)
            .await
            .unwrap();
        let again = Claim {
            payload: payload.try_into().unwrap(),
            ..claim(2)
        };
        let rerun = IdempotencyStore::builder(PgBackend::new(pool.clone()))
            .wait(Duration::ZERO)
            .on_abandoned(cache_core::idempotency::OnAbandoned::Rerun)
            .build()
            .unwrap();
        let mut open = pool.begin().await.unwrap();
        assert_eq!(order(&rerun, &mut open, "a").await.unwrap(), Outcome::Fresh(7));
        assert_eq!(soon(backend.claim(&record("a"), again)).await.unwrap(), BUSY);
        if commits {
            open.commit().await.unwrap();
            assert!(
                !backend
                    .settle(&record("a"), token(1), &reply("late"), HOUR)
                    .await
                    .unwrap()
            );
        } else {
            open.rollback().await.unwrap();
            assert_eq!(backend.claim(&record("a"), again).await.unwrap(), TAKEN_OVER);
        }
    }
}

#[tokio::test]
async fn two_keys_in_opposite_orders_do_not_deadlock() {
    let (pool, store) = ready().await;
    for round in 0..2 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (mut one, mut two) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
        order(&store, &mut one, &a).await.unwrap();
        order(&store, &mut two, &b).await.unwrap();
        for (tx, key) in [(&mut one, &b), (&mut two, &a)] {
            let busy = order(&store, tx, key).await.unwrap_err();
            assert!(matches!(busy, IdempotencyError::InProgress { .. }), "{busy}");
        }
        if round == 0 {
            one.commit().await.unwrap();
            assert_eq!(order(&store, &mut two, &a).await.unwrap(), Outcome::Replayed(7));
        } else {
            one.rollback().await.unwrap();
            assert_eq!(order(&store, &mut two, &a).await.unwrap(), Outcome::Fresh(7));
        }
        two.commit().await.unwrap();
    }
    effects(&pool, 4).await;
}

#[tokio::test]
async fn stricter_isolation_is_refused_before_anything_is_written() {
    let (pool, store) = ready().await;
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let mut tx = pool
            .begin_with(sqlx::AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {level}")))
            .await
            .unwrap();
        let error = order(&store, &mut tx, "a").await.unwrap_err();
        assert!(matches!(error, IdempotencyError::Unavailable { .. }), "{error}");
        let shown = error.to_string();
        assert!(shown.contains(level) && shown.contains("READ COMMITTED"), "{shown}");
        // It can go on without.
        run(&mut *tx, "INSERT INTO effects VALUES ('other')").await;
        tx.commit().await.unwrap();
        assert!(is(&pool, "count(*) = 0 FROM idempotency_records").await);
        assert!(
            is(
                &pool,
                "count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            .await
        );
    }
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.unwrap();
    assert_eq!(order(&store, &mut tx, "a").await.unwrap(), Outcome::Fresh(7));
}

#[tokio::test]
async fn a_client_that_is_killed_in_the_middle_leaves_nothing() {
    let (pool, store) = ready().await;
    let mut open = pool.begin().await.unwrap();
    order(&store, &mut open, "a").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *open)
        .await
        .unwrap();
    assert_eq!(store.backend().claim(&record("a"), claim(1)).await.unwrap(), BUSY);
    assert!(is(&pool, &format!("pg_terminate_backend({pid}, 10000)")).await);
    assert_eq!(store.backend().claim(&record("a"), claim(1)).await.unwrap(), OURS);
    open.commit().await.unwrap_err();
    effects(&pool, 0).await;
}

#[tokio::test]
async fn what_is_rolled_back_to_a_savepoint_is_free() {
    let (pool, store) = ready().await;
    let mut open = pool.begin().await.unwrap();
    let mut savepoint = sqlx::Acquire::begin(&mut *open).await.unwrap();
    order(&store, &mut savepoint, "a").await.unwrap();
    assert_eq!(store.backend().claim(&record("a"), claim(1)).await.unwrap(), BUSY);
    savepoint.rollback().await.unwrap();
    assert_eq!(store.backend().claim(&record("a"), claim(1)).await.unwrap(), OURS);
    open.commit().await.unwrap();
    effects(&pool, 0).await;
}

#[tokio::test]
async fn a_handler_whose_statement_failed_leaves_the_key_free() {
    let (pool, store) = ready().await;
    let mut open = pool.begin().await.unwrap();
    let failed = store.in_transaction(&mut open, request("a"), async |tx| {
        sqlx::raw_sql("SELECT 1 / 0").execute(tx).await.unwrap_err();
        Err::<u8, _>(IdempotencyError::EmptyKey)
    });
    let error = failed.await.unwrap_err();
    assert!(matches!(error, IdempotencyError::EmptyKey), "{error}");
    open.rollback().await.unwrap();
    assert_eq!(store.backend().claim(&record("a"), claim(1)).await.unwrap(), OURS);
}

/// How long the server lets this transaction be idle.
async fn limit(tx: &mut Transaction<'_, Postgres>) -> String {
    sqlx::query_scalar("SHOW idle_in_transaction_session_timeout")
        .fetch_one(&mut **tx)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_claim_limits_how_long_its_transaction_is_idle() {
    let (pool, store) = ready().await;
    for (number, (before, after)) in [
        ("0", "30s"),
        ("1h", "30s"),
        ("30001ms", "30s"),
        ("30s", "30s"),
        ("999ms", "999ms"),
        ("1d", "30s"),
    ]
    .into_iter()
    .enumerate()
    {
        for is_replay in [false, true] {
            let mut tx = pool.begin().await.unwrap();
            run(
                &mut *tx,
                &format!("SET LOCAL idle_in_transaction_session_timeout = '{before}'"),
            )
            .await;
            let unchanged = limit(&mut tx).await;
            order(&store, &mut tx, &number.to_string()).await.unwrap();
            assert_eq!(
                limit(&mut tx).await,
                if is_replay { &unchanged } else { after },
                "{before}"
            );
            tx.commit().await.unwrap();
        }
    }
    // And not of others that use the connection.
    let one = PgPoolOptions::new()
        .max_connections(1)
        .connect_with((*pool.connect_options()).clone())
        .await
        .unwrap();
    let mut tx = one.begin().await.unwrap();
    order(&store, &mut tx, "other").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(limit(&mut one.begin().await.unwrap()).await, "0");
}

#[tokio::test]
async fn a_worker_that_is_frozen_keeps_a_record_no_longer_than_the_lease() {
    let (pool, _) = ready().await;
    let store = store(&pool, Duration::from_millis(100));
    let mut open = pool.begin().await.unwrap();
    order(&store, &mut open, "a").await.unwrap();
    soon(async { while store.backend().claim(&record("a"), claim(1)).await.unwrap() == BUSY {} }).await;
    open.commit().await.unwrap_err();
    effects(&pool, 0).await;
}
