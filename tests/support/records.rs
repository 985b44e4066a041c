//! What the tests of records in Postgres claim, and how they look at what came of it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "for tests, each of which uses a part of it"
)]

use std::time::Duration;

use cache_core::idempotency::{Claim, Claimed, PgBackend, RecordId, Reply, Token};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

pub const OURS: Claimed = Claimed::Ours { took_over: false };
pub const TAKEN_OVER: Claimed = Claimed::Ours { took_over: true };
/// Somebody is claiming it in a transaction that is open.
pub const BUSY: Claimed = Claimed::Running {
    payload: None,
    remaining: None,
};
pub const HOUR: Duration = Duration::from_secs(3600);

pub async fn run(executor: impl Executor<'_, Database = Postgres>, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(executor)
        .await
        .unwrap();
}

/// What this expression comes to.
pub async fn is(executor: impl Executor<'_, Database = Postgres>, sql: &str) -> bool {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT {sql}")))
        .fetch_one(executor)
        .await
        .unwrap()
}

pub fn record(key: &str) -> RecordId {
    RecordId::new("acme", "ada", "orders::create", key).unwrap()
}

pub fn token(number: u8) -> Token {
    Token::from_bytes([number; 16])
}

/// One that takes over, for an hour.
pub fn claim(number: u8) -> Claim {
    Claim {
        token: token(number),
        payload: [7; 32],
        lease: HOUR,
        ttl: HOUR,
        takes_over: true,
    }
}

/// One whose lease ends at once.
pub fn ended(number: u8) -> Claim {
    Claim {
        lease: Duration::ZERO,
        ..claim(number)
    }
}

/// One that leaves a lease that has ended.
pub fn careful(number: u8) -> Claim {
    Claim {
        takes_over: false,
        ..claim(number)
    }
}

pub fn reply(text: &str) -> Reply {
    Reply::Success(text.into())
}

pub fn settled(text: &str) -> Claimed {
    Claimed::Settled {
        payload: [7; 32],
        reply: reply(text),
    }
}

/// Whether somebody has it, who could be seen.
pub fn is_running(claimed: &Claimed) -> bool {
    matches!(
        claimed,
        Claimed::Running {
            payload: Some([7, ..]),
            remaining: Some(_)
        }
    )
}

/// A backend in this pool's database, with its table.
pub async fn backend(pool: &PgPool) -> PgBackend {
    let backend = PgBackend::new(pool.clone());
    backend.create_schema().await.unwrap();
    backend
}

/// Lets all records expire.
pub async fn expire(pool: &PgPool) {
    run(pool, "UPDATE idempotency_records SET expires_at = clock_timestamp()").await;
}

/// Fails a test that would hang. Not a measure of time: nothing that works comes near it.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("this should not hang")
}

/// Waits until so many of this database's statements wait for a lock.
pub async fn until_waiting(pool: &PgPool, number: i64) {
    let waiting = format!(
        "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') >= {number}"
    );
    soon(async {
        while !is(pool, &waiting).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
