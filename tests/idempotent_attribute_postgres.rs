//! `#[idempotent]` on records in Postgres: in the transaction of the caller, and beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, Outcome, PgBackend};
use cache_core::idempotent;
use postgres::server;
use sqlx::{PgPool, Postgres, Transaction};

#[derive(Debug)]
enum OrderError {
    Idempotency(IdempotencyError),
    #[allow(dead_code, reason = "what a failed test shows")]
    Database(sqlx::Error),
    SoldOut,
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

#[derive(Clone)]
struct Orders {
    pool: PgPool,
    replay: IdempotencyStore<PgBackend>,
}

impl Orders {
    async fn ready() -> Self {
        let pool = server().database().await;
        let replay = IdempotencyStore::new(PgBackend::new(pool.clone()));
        replay.create_schema().await.unwrap();
        let table = sqlx::query("CREATE TABLE orders (item text NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY)");
        table.execute(&pool).await.unwrap();
        Self { pool, replay }
    }

    async fn count(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM orders");
        count.fetch_one(&self.pool).await.unwrap()
    }

    #[idempotent(store = self.replay, key = key, scope = ("main", 7), payload = item, tx = tx, name = "Orders::create")]
    async fn create(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        key: &str,
        item: &mut String,
    ) -> Result<i64, OrderError> {
        insert(tx, item).await
    }
}

/// Takes the transaction and gives it to others, as bodies do.
async fn insert(tx: &mut Transaction<'_, Postgres>, item: &str) -> Result<i64, OrderError> {
    if item == "unicorn" {
        return Err(OrderError::SoldOut);
    }
    let insert = sqlx::query_scalar("INSERT INTO orders (item) VALUES ($1) RETURNING id").bind(item);
    Ok(insert.fetch_one(&mut **tx).await?)
}

#[idempotent(store = replay, key = key, scope = (tenant, principal), payload = item, tx = tx)]
async fn create_order(
    replay: &IdempotencyStore<PgBackend>,
    (tenant, principal): (&str, u64),
    key: Option<&str>,
    item: &str,
    tx: &mut Transaction<'_, Postgres>,
) -> Result<i64, OrderError> {
    insert(tx, item).await
}

#[tokio::test]
async fn claim_handler_and_reply_commit_together() {
    let orders = Orders::ready().await;
    for (attempt, is_committed) in [false, true, true].into_iter().enumerate() {
        let mut tx = orders.pool.begin().await.unwrap();
        let outcome = create_order::outcome(&orders.replay, ("acme", 7), Some("a"), "tea", &mut tx)
            .await
            .unwrap();
        assert_eq!(outcome.is_replayed(), attempt == 2);
        if is_committed {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
    }
    assert_eq!(orders.count().await, 1);
    let stats = orders.replay.stats();
    assert_eq!((stats.fresh, stats.replayed), (2, 1));
}

#[tokio::test]
async fn a_method_runs_in_a_transaction_and_so_in_a_task() {
    let orders = Orders::ready().await;
    let create = || {
        let orders = orders.clone();
        // `Send`.
        tokio::spawn(async move {
            let mut tx = orders.pool.begin().await?;
            let id = orders.create(&mut tx, "a", &mut "tea".to_owned()).await?;
            tx.commit().await?;
            Ok::<_, OrderError>(id)
        })
    };
    let first = create().await.unwrap().unwrap();
    assert_eq!(create().await.unwrap().unwrap(), first);
    assert_eq!(orders.count().await, 1);
    let mut tx = orders.pool.begin().await.unwrap();
    let error = orders.create(&mut tx, "a", &mut "coffee".to_owned()).await.unwrap_err();
    assert!(
        matches!(error, OrderError::Idempotency(IdempotencyError::Conflict { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_error_leaves_the_key_free() {
    let orders = Orders::ready().await;
    let mut tx = orders.pool.begin().await.unwrap();
    let error = create_order(&orders.replay, ("acme", 8), Some("a"), "unicorn", &mut tx)
        .await
        .unwrap_err();
    assert!(matches!(error, OrderError::SoldOut), "{error:?}");
    tx.rollback().await.unwrap();
    let mut tx = orders.pool.begin().await.unwrap();
    create_order(&orders.replay, ("acme", 8), Some("a"), "tea", &mut tx)
        .await
        .unwrap();
}

#[idempotent(store = orders.replay, key = key, scope = ("main", 7), payload = item)]
async fn create_beside(orders: &Orders, key: &str, item: &str) -> Result<i64, OrderError> {
    let mut tx = orders.pool.begin().await?;
    let id = insert(&mut tx, item).await?;
    tx.commit().await?;
    Ok(id)
}

#[tokio::test]
async fn without_a_transaction_it_runs_under_a_lease() {
    let orders = Orders::ready().await;
    let first = create_beside::outcome(&orders, "a", "tea").await.unwrap();
    let second = create_beside::outcome(&orders, "a", "tea").await.unwrap();
    assert_eq!(second, Outcome::Replayed(first.into_inner()));
    assert_eq!(orders.count().await, 1);
}
