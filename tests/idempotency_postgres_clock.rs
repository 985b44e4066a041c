//! Which clock records in Postgres go by, and under which isolation they are read: that of the server, when it is their turn; and the same
//! for every role.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/records.rs"]
mod records;

use std::time::Duration;

use cache_core::idempotency::{Backend, Claim, Claimed, PgBackend};
use futures::future::join_all;
use postgres::server;
use records::{
    HOUR, OURS, backend, claim, expire, is, is_running, record, reply, run, settled, soon, token, until_waiting,
};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;

/// A database with the table.
async fn database() -> (PgPool, PgBackend) {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    (pool, backend)
}

fn claims(backend: &PgBackend, wanted: Claim) -> JoinHandle<Claimed> {
    let backend = backend.clone();
    tokio::spawn(async move { backend.claim(&record("a"), wanted).await.unwrap() })
}

#[tokio::test]
async fn times_are_counted_from_after_a_wait() {
    let (pool, backend) = database().await;
    let lock = async || {
        let mut lock = pool.begin().await.unwrap();
        run(&mut *lock, "SELECT FROM idempotency_records FOR UPDATE").await;
        lock
    };
    // Ends the wait, and says whether this holds for when that was.
    let release = async |mut lock: sqlx::Transaction<'static, sqlx::Postgres>| -> String {
        until_waiting(&pool, 1).await;
        let now = sqlx::query_scalar("SELECT clock_timestamp()::text")
            .fetch_one(&mut *lock)
            .await
            .unwrap();
        lock.commit().await.unwrap();
        now
    };
    backend.claim(&record("a"), claim(1)).await.unwrap();
    expire(&pool).await;
    let holder = lock().await;
    let taking = claims(&backend, claim(2));
    let now = release(holder).await;
    assert_eq!(soon(taking).await.unwrap(), OURS);
    let since = |column: &str, hours: u8| {
        format!("(SELECT {column} >= '{now}'::timestamptz + interval '{hours} hours' FROM idempotency_records)")
    };
    assert!(is(&pool, &since("lease_until", 1)).await);
    assert!(is(&pool, &since("expires_at", 2)).await);
    assert!(is(&pool, &since("created_at", 0)).await);

    let holder = lock().await;
    let other = backend.clone();
    let renewing = tokio::spawn(async move { other.renew(&record("a"), token(2), 2 * HOUR, HOUR).await.unwrap() });
    let now = release(holder).await;
    assert!(soon(renewing).await.unwrap());
    let since = |column: &str, hours: u8| {
        format!("(SELECT {column} >= '{now}'::timestamptz + interval '{hours} hours' FROM idempotency_records)")
    };
    assert!(is(&pool, &since("lease_until", 2)).await);
    assert!(is(&pool, &since("expires_at", 3)).await);

    let holder = lock().await;
    let other = backend.clone();
    let settling = tokio::spawn(async move {
        other
            .settle(&record("a"), token(2), &reply("yes"), 4 * HOUR)
            .await
            .unwrap()
    });
    let now = release(holder).await;
    assert!(soon(settling).await.unwrap());
    assert!(
        is(
            &pool,
            &format!("(SELECT expires_at >= '{now}'::timestamptz + interval '4 hours' FROM idempotency_records)")
        )
        .await
    );
}

#[tokio::test]
async fn times_that_no_calendar_has_are_taken_as_long() {
    let (_, backend) = database().await;
    let forever = Claim {
        lease: Duration::MAX,
        ttl: Duration::MAX,
        ..claim(1)
    };
    let longest = Duration::MAX;
    assert_eq!(backend.claim(&record("a"), forever).await.unwrap(), OURS);
    assert!(is_running(&backend.claim(&record("a"), claim(2)).await.unwrap()));
    assert!(backend.renew(&record("a"), token(1), longest, longest).await.unwrap());
    assert!(
        backend
            .settle(&record("a"), token(1), &reply("yes"), longest)
            .await
            .unwrap()
    );
    assert_eq!(backend.claim(&record("a"), claim(2)).await.unwrap(), settled("yes"));
    assert_eq!(backend.delete_expired(u32::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn stricter_isolation_by_default_makes_no_difference() {
    for level in ["repeatable read", "serializable"] {
        let options = server().new_database().await;
        let direct = PgPool::connect_with(options.clone()).await.unwrap();
        let strict = options.options([("default_transaction_isolation", level)]);
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect_with(strict)
            .await
            .unwrap();
        let backend = backend(&pool).await;
        assert!(is(&pool, &format!("current_setting('transaction_isolation') = '{level}'")).await);
        backend.claim(&record("a"), claim(1)).await.unwrap();
        // Each of these waits for somebody who then commits, which would be a failure of serialization.
        let touched = async |statement: JoinHandle<bool>, touch: sqlx::Transaction<'static, sqlx::Postgres>| {
            until_waiting(&direct, 1).await;
            touch.commit().await.unwrap();
            assert!(soon(statement).await.unwrap(), "{level}");
        };
        let touch = async |what: &str| {
            let mut touch = direct.begin().await.unwrap();
            run(&mut *touch, &format!("UPDATE idempotency_records SET {what}")).await;
            touch
        };
        let by = touch("created_at = now()").await;
        let other = backend.clone();
        touched(
            tokio::spawn(async move { other.renew(&record("a"), token(1), HOUR, HOUR).await.unwrap() }),
            by,
        )
        .await;
        let by = touch("created_at = now()").await;
        let other = backend.clone();
        touched(
            tokio::spawn(async move { other.settle(&record("a"), token(1), &reply("yes"), HOUR).await.unwrap() }),
            by,
        )
        .await;
        expire(&direct).await;
        let by = touch("created_at = now()").await;
        let claiming = claims(&backend, claim(2));
        touched(tokio::spawn(async move { claiming.await.unwrap() == OURS }), by).await;
        let by = touch("created_at = now()").await;
        let other = backend.clone();
        touched(
            tokio::spawn(async move { other.release(&record("a"), token(2)).await.unwrap() }),
            by,
        )
        .await;
        let rivals = (0..30).map(|number| claims(&backend, claim(number)));
        let answers = join_all(rivals.collect::<Vec<_>>()).await;
        assert_eq!(
            answers
                .into_iter()
                .filter(|answer| *answer.as_ref().unwrap() == OURS)
                .count(),
            1
        );
        expire(&direct).await;
        assert_eq!(backend.delete_expired(10).await.unwrap(), 1);
    }
}
