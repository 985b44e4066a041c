//! Behind `PgBouncer` in transaction mode, where nothing that belongs to a session can be relied on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/pooler.rs"]
mod pooler;
#[path = "support/postgres.rs"]
mod postgres;

use cache_core::postgres::{Listen, Revisions};
use futures::future::join_all;
use pooler::pooler;
use postgres::server;
use sqlx::postgres::PgPoolOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_makes_no_difference() {
    let direct = server().new_database().await;
    let (_pooler, pooled) = pooler(&direct);
    let pool = PgPoolOptions::new()
        .max_connections(12)
        .connect_with(pooled)
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int); INSERT INTO a SELECT n, 0 FROM generate_series(1, 12) n")
        .execute(&pool)
        .await
        .unwrap();
    for installed in join_all((0..8).map(|_| Revisions::builder().notify(true).install(&pool, &["a", "b"]))).await {
        installed.unwrap();
    }
    let asking = Revisions::new(pool.clone());
    let pushed = asking.listen(Listen::new().connection(direct)).unwrap();
    let tasks = (1..=12).map(|id| {
        let (pool, asking, pushed) = (pool.clone(), asking.clone(), pushed.clone());
        tokio::spawn(async move {
            for n in 0..100 {
                let before = asking.revision(&["a", "b"]).await.unwrap();
                let update = sqlx::query("UPDATE a SET n = $1 WHERE id = $2")
                    .bind(n)
                    .bind(id)
                    .persistent(false);
                let mut transaction = pool.begin().await.unwrap();
                update.execute(&mut *transaction).await.unwrap();
                transaction.commit().await.unwrap();
                assert_ne!(asking.revision(&["a", "b"]).await.unwrap(), before);
                pushed.revision(&["a", "b"]).await.unwrap();
            }
        })
    });
    for task in join_all(tasks.collect::<Vec<_>>()).await {
        task.unwrap();
    }
    let asked = asking.revision(&["a", "b"]).await.unwrap();
    assert_eq!(asked.to_string(), "a@1200 b@0");
    // The last notification may still be on its way.
    while pushed.listening().unwrap().in_memory < 2 || pushed.revision(&["a", "b"]).await.unwrap() != asked {
        tokio::task::yield_now().await;
    }
    Revisions::uninstall(&pool).await.unwrap();
}
