//! Requests that commit together with what they do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use std::time::Duration;

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, Outcome, PgBackend, Request, StoreBuilder};
use postgres::server;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

#[derive(Debug)]
enum OrderError {
    Idempotency(IdempotencyError),
    Database(sqlx::Error),
}

impl From<IdempotencyError> for OrderError {
    fn from(error: IdempotencyError) -> Self {
        Self::Idempotency(error)
    }
}

impl From<sqlx::Error> for OrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

async fn ready() -> (PgPool, IdempotencyStore<PgBackend>) {
    let pool = server().database().await;
    let store = IdempotencyStore::new(PgBackend::new(pool.clone()));
    store.create_schema().await.unwrap();
    sqlx::query("CREATE TABLE effects (key text NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    (pool, store)
}

fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload("shoes")
}

async fn effect(tx: &mut sqlx::PgConnection, key: &str) -> Result<i64, OrderError> {
    sqlx::query("INSERT INTO effects (key) VALUES ($1)")
        .bind(key)
        .execute(&mut *tx)
        .await?;
    Ok(7)
}

async fn effects(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM effects")
        .fetch_one(pool)
        .await
        .unwrap()
}

fn store(
    pool: &PgPool,
    change: impl FnOnce(StoreBuilder<PgBackend>) -> StoreBuilder<PgBackend>,
) -> IdempotencyStore<PgBackend> {
    change(IdempotencyStore::builder(PgBackend::new(pool.clone())))
        .build()
        .unwrap()
}

async fn order(pool: &PgPool, store: &IdempotencyStore<PgBackend>, key: &str) -> Result<Outcome<i64>, OrderError> {
    let mut tx = pool.begin().await?;
    let outcome = store
        .in_transaction(&mut tx, request(key), async |tx: &mut sqlx::PgConnection| {
            effect(tx, key).await
        })
        .await?;
    tx.commit().await?;
    Ok(outcome)
}

#[tokio::test]
async fn a_request_commits_with_its_effect_and_is_replayed() {
    let (pool, store) = ready().await;
    // As a task, so it is `Send`.
    let fresh = tokio::spawn({
        let (pool, store) = (pool.clone(), store.clone());
        async move { order(&pool, &store, "a").await }
    });
    assert_eq!(fresh.await.unwrap().unwrap(), Outcome::Fresh(7));
    assert_eq!(order(&pool, &store, "a").await.unwrap(), Outcome::Replayed(7));
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn what_is_rolled_back_has_not_happened() {
    let (pool, store) = ready().await;
    let mut tx = pool.begin().await.unwrap();
    let outcome = store
        .in_transaction(&mut tx, request("a"), async |tx| effect(tx, "a").await)
        .await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(7));
    tx.rollback().await.unwrap();
    assert_eq!(effects(&pool).await, 0);
    assert_eq!(order(&pool, &store, "a").await.unwrap(), Outcome::Fresh(7));
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn without_a_key_it_runs_each_time() {
    let (pool, store) = ready().await;
    for _ in 0..2 {
        let mut tx = pool.begin().await.unwrap();
        let request = request("a").key(None::<&str>);
        let outcome = store
            .in_transaction(&mut tx, request, async |tx| effect(tx, "a").await)
            .await;
        assert_eq!(outcome.unwrap(), Outcome::Fresh(7));
        tx.commit().await.unwrap();
    }
    assert_eq!(effects(&pool).await, 2);
    assert_eq!(store.stats().undeduplicated, 2);
}

#[tokio::test]
async fn another_payload_is_a_conflict_and_nothing_runs() {
    let (pool, store) = ready().await;
    order(&pool, &store, "a").await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let request = request("a").payload("boots");
    let outcome = store
        .in_transaction(&mut tx, request, async |tx| effect(tx, "a").await)
        .await;
    assert!(
        matches!(outcome, Err(OrderError::Idempotency(IdempotencyError::Conflict { .. }))),
        "{outcome:?}"
    );
    // The transaction is as usable as before.
    effect(&mut tx, "b").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((effects(&pool).await, store.stats().conflicts), (2, 1));
}

#[tokio::test]
async fn a_bad_key_is_refused_before_anything_is_asked() {
    let (pool, store) = ready().await;
    let mut tx = pool.begin().await.unwrap();
    let outcome = store
        .in_transaction(&mut tx, request(""), async |tx| effect(tx, "a").await)
        .await;
    assert!(
        matches!(outcome, Err(OrderError::Idempotency(IdempotencyError::EmptyKey))),
        "{outcome:?}"
    );
    tx.commit().await.unwrap();
    assert_eq!(effects(&pool).await, 0);
}

#[tokio::test]
async fn an_error_leaves_the_key_free_whether_or_not_it_is_committed() {
    let (pool, store) = ready().await;
    for commits in [true, false] {
        let mut tx = pool.begin().await.unwrap();
        let handler = async |tx: &mut sqlx::PgConnection| {
            effect(tx, "failed").await?;
            Err::<i64, _>(OrderError::Database(sqlx::Error::RowNotFound))
        };
        let outcome = store.in_transaction(&mut tx, request("a"), handler).await;
        assert!(
            matches!(outcome, Err(OrderError::Database(sqlx::Error::RowNotFound))),
            "{outcome:?}"
        );
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
    }
    assert_eq!(effects(&pool).await, 1, "what is committed is");
    assert_eq!(order(&pool, &store, "a").await.unwrap(), Outcome::Fresh(7));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum PayError {
    Declined,
    Idempotency(String),
}

impl From<IdempotencyError> for PayError {
    fn from(error: IdempotencyError) -> Self {
        Self::Idempotency(error.to_string())
    }
}

#[tokio::test]
async fn an_error_that_is_stored_is_replayed_once_it_is_committed() {
    let (pool, _) = ready().await;
    let store = store(&pool, |builder| {
        builder.store_error(|error: &PayError| *error == PayError::Declined)
    });
    let pay = async |result: Result<i64, PayError>, commits: bool| {
        let mut tx = pool.begin().await.unwrap();
        let outcome = store
            .in_transaction(&mut tx, request("a"), async |_: &mut sqlx::PgConnection| result)
            .await;
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        outcome
    };
    assert_eq!(pay(Err(PayError::Declined), false).await, Err(PayError::Declined));
    assert_eq!(pay(Err(PayError::Declined), true).await, Err(PayError::Declined));
    assert_eq!(pay(Ok(1), true).await, Err(PayError::Declined));
    assert_eq!((store.stats().fresh, store.stats().replayed), (2, 1));
}

#[tokio::test]
async fn a_call_that_is_dropped_and_rolled_back_has_not_happened() {
    let (pool, store) = ready().await;
    for is_committed in [false, true] {
        let key = if is_committed { "committed" } else { "rolled back" };
        let mut tx = pool.begin().await.unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let handler = async |tx: &mut sqlx::PgConnection| {
            effect(tx, key).await?;
            begun.send(()).unwrap();
            std::future::pending::<Result<i64, OrderError>>().await
        };
        tokio::select! {
            outcome = store.in_transaction(&mut tx, request(key), handler) => panic!("{outcome:?}"),
            begun = has_begun => begun.unwrap(),
        }
        if is_committed {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
    }
    assert_eq!(order(&pool, &store, "rolled back").await.unwrap(), Outcome::Fresh(7));
    // Who commits what he has given up has a record that nobody runs.
    let impatient = crate::store(&pool, |builder| builder.wait(Duration::ZERO));
    let outcome = order(&pool, &impatient, "committed").await;
    assert!(
        matches!(
            outcome,
            Err(OrderError::Idempotency(IdempotencyError::InProgress { .. }))
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn duplicates_wait_for_the_commit_and_replay() {
    let (pool, store) = ready().await;
    let mut tx = pool.begin().await.unwrap();
    let outcome = store
        .in_transaction(&mut tx, request("a"), async |tx| effect(tx, "a").await)
        .await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(7));
    // In a transaction of their own, and without one.
    let duplicates: Vec<_> = (0..6)
        .map(|number| {
            let (pool, store) = (pool.clone(), store.clone());
            tokio::spawn(async move {
                if number % 2 == 0 {
                    order(&pool, &store, "a").await
                } else {
                    store.run(request("a"), || async { Ok::<_, OrderError>(0) }).await
                }
            })
        })
        .collect();
    while store.stats().waits < 6 {
        tokio::task::yield_now().await;
    }
    tx.commit().await.unwrap();
    for duplicate in duplicates {
        assert_eq!(duplicate.await.unwrap().unwrap(), Outcome::Replayed(7));
    }
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn duplicates_that_do_not_wait_are_told_to_try_again() {
    let (pool, _) = ready().await;
    let store = store(&pool, |builder| builder.wait(Duration::ZERO));
    let mut tx = pool.begin().await.unwrap();
    store
        .in_transaction(&mut tx, request("a"), async |tx| effect(tx, "a").await)
        .await
        .unwrap();
    let outcome = order(&pool, &store, "a").await;
    assert!(
        matches!(
            outcome,
            Err(OrderError::Idempotency(IdempotencyError::InProgress { .. }))
        ),
        "{outcome:?}"
    );
    tx.rollback().await.unwrap();
    assert_eq!(order(&pool, &store, "a").await.unwrap(), Outcome::Fresh(7));
}

#[tokio::test]
async fn several_requests_may_share_a_transaction() {
    let (pool, store) = ready().await;
    let mut tx = pool.begin().await.unwrap();
    for key in ["a", "b", "a"] {
        let outcome = store
            .in_transaction(&mut tx, request(key), async |tx| effect(tx, key).await)
            .await;
        outcome.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(effects(&pool).await, 2, "the second `a` is a replay of the first");
}

#[tokio::test]
async fn a_reply_that_cannot_be_stored_commits_and_is_not_run_again() {
    let (pool, _) = ready().await;
    let store = store(&pool, |builder| builder.max_response_bytes(0));
    assert_eq!(order(&pool, &store, "a").await.unwrap(), Outcome::Fresh(7));
    let repeat = order(&pool, &store, "a").await;
    assert!(
        matches!(repeat, Err(OrderError::Idempotency(IdempotencyError::NoReply { .. }))),
        "{repeat:?}"
    );
    assert_eq!(effects(&pool).await, 1);
}
