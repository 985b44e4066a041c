//! Requests that commit together with what they do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, Outcome, PgBackend, Request};
use postgres::server;
use sqlx::{PgPool, Postgres, Transaction};

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
