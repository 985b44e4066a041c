//! The contract of backends, on Postgres.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use cache_core::idempotency::PgBackend;
use postgres::server;
use sqlx::postgres::PgPoolOptions;

/// Over so many connections, in the one table that all of these share, and make sure of at the same time.
async fn backend(connections: u32) -> PgBackend {
    let options = server().options();
    let pool = PgPoolOptions::new().max_connections(connections);
    let backend = PgBackend::new(pool.connect_with(options).await.unwrap());
    backend.create_schema().await.unwrap();
    backend
}

mod many_connections {
    cache_core::idempotency_contract!(super::backend(16).await);
}

mod pool_of_one {
    cache_core::idempotency_contract!(super::backend(1).await);
}
