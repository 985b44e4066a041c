//! Records in Postgres: whose they are, whoever asks for them at once, and whatever becomes of him.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use std::time::Duration;

use cache_core::idempotency::{Backend, Claim, Claimed, PgBackend, RecordId, Reply, Token};
use postgres::server;
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

const OURS: Claimed = Claimed::Ours { took_over: false };
const TAKEN_OVER: Claimed = Claimed::Ours { took_over: true };
const HOUR: Duration = Duration::from_secs(3600);

async fn run(executor: impl Executor<'_, Database = Postgres>, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(executor)
        .await
        .unwrap();
}

fn record(key: &str) -> RecordId {
    RecordId::new("acme", "ada", "orders::create", key).unwrap()
}

fn token(number: u8) -> Token {
    Token::from_bytes([number; 16])
}

fn claim(number: u8) -> Claim {
    Claim {
        token: token(number),
        payload: [7; 32],
        lease: HOUR,
        ttl: HOUR,
        takes_over: true,
    }
}

fn reply(text: &str) -> Reply {
    Reply::Success(text.into())
}

fn settled(text: &str) -> Claimed {
    Claimed::Settled {
        payload: [7; 32],
        reply: reply(text),
    }
}

async fn backend() -> (PgPool, PgBackend) {
    let pool = server().database().await;
    let backend = PgBackend::new(pool.clone());
    backend.create_schema().await.unwrap();
    (pool, backend)
}

#[tokio::test]
async fn a_record_is_claimed_settled_and_replayed() {
    let (_, backend) = backend().await;
    let record = record("a");
    assert_eq!(backend.claim(&record, claim(1)).await.unwrap(), OURS);
    match backend.claim(&record, claim(2)).await.unwrap() {
        Claimed::Running {
            payload: Some(payload),
            remaining: Some(remaining),
        } => {
            assert_eq!(payload, [7; 32]);
            assert!(remaining <= HOUR && remaining > HOUR / 2);
        }
        claimed => panic!("{claimed:?}"),
    }
    assert!(backend.renew(&record, token(1), HOUR, HOUR).await.unwrap());
    assert!(!backend.settle(&record, token(2), &reply("no"), HOUR).await.unwrap());
    assert!(backend.settle(&record, token(1), &reply("yes"), HOUR).await.unwrap());
    assert!(backend.settle(&record, token(1), &reply("yes"), HOUR).await.unwrap());
    assert_eq!(backend.claim(&record, claim(3)).await.unwrap(), settled("yes"));
    assert!(!backend.release(&record, token(1)).await.unwrap());
    assert!(!backend.renew(&record, token(1), HOUR, HOUR).await.unwrap());
    assert_eq!(backend.delete_expired(10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_lease_that_has_ended_is_taken_over_or_reported() {
    let (pool, backend) = backend().await;
    let record = record("a");
    let ended = Claim {
        lease: Duration::ZERO,
        ..claim(1)
    };
    assert_eq!(backend.claim(&record, ended).await.unwrap(), OURS);
    let careful = Claim {
        takes_over: false,
        ..claim(2)
    };
    let abandoned = Claimed::Abandoned { payload: [7; 32] };
    assert_eq!(backend.claim(&record, careful).await.unwrap(), abandoned);
    assert_eq!(backend.claim(&record, claim(2)).await.unwrap(), TAKEN_OVER);
    // Its answer was lost.
    assert_eq!(backend.claim(&record, claim(2)).await.unwrap(), TAKEN_OVER);
    assert!(!backend.settle(&record, token(1), &reply("late"), HOUR).await.unwrap());
    assert!(backend.settle(&record, token(2), &reply("good"), HOUR).await.unwrap());
    run(&pool, "UPDATE idempotency_records SET expires_at = clock_timestamp()").await;
    assert_eq!(backend.claim(&record, claim(3)).await.unwrap(), OURS);
    run(&pool, "UPDATE idempotency_records SET expires_at = clock_timestamp()").await;
    assert_eq!(backend.delete_expired(10).await.unwrap(), 1);
}
