//! Workers that are processes of their own, so that they can be killed, frozen and given a wrong clock.
//!
//! A test binary runs itself again, as the test [`WORKER_TEST`], which does nothing unless its environment makes it a worker (see
//! `worker`). The parent talks to it through pipes (see `process`), and has it connect through a gate that can stop at each thing it
//! sends (see `gate`). What counts in the end are rows of the table `effects`, in the order they were written.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "for tests, each of which uses a part of it"
)]

pub mod gate;
#[path = "../support/postgres.rs"]
pub mod postgres;
pub mod process;
pub mod worker;

use std::fmt;
use std::time::Duration;

use cache_core::idempotency::{IdempotencyStore, PgBackend};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use self::process::{Plan, Told, Worker};

/// What the test is called that is a worker.
pub const WORKER_TEST: &str = "worker_process";
/// When a test that waits is taken to have failed. Nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Of a worker that is to lose its claim: a test waits for that.
pub const SHORT: Duration = Duration::from_millis(300);
/// Of one that is not, however busy the machine is.
pub const LONG: Duration = Duration::from_secs(600);

/// How a request is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Under a lease. Who is taken for dead has no successor.
    Refuse,
    /// Under a lease. Who is taken for dead has one.
    Rerun,
    /// In one transaction with its effect.
    Transaction,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Rerun, Self::Transaction];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Rerun => "rerun",
            Self::Transaction => "transaction",
        })
    }
}

/// A database with records and effects.
pub struct World {
    pub pool: PgPool,
    pub options: PgConnectOptions,
}

impl World {
    pub async fn new() -> Self {
        let options = postgres::server().new_database().await;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options.clone())
            .await
            .unwrap();
        IdempotencyStore::new(PgBackend::new(pool.clone()))
            .create_schema()
            .await
            .unwrap();
        sqlx::query("CREATE TABLE effects (id bigserial PRIMARY KEY, key text NOT NULL, worker text NOT NULL)")
            .execute(&pool)
            .await
            .unwrap();
        Self { pool, options }
    }

    /// The effects of a request, as the replies that were to follow them.
    pub async fn effects(&self, key: &str) -> Vec<String> {
        sqlx::query_scalar("SELECT worker || '/' || id FROM effects WHERE key = $1 ORDER BY id")
            .bind(key)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// A worker that has nobody in its way, and no successor either.
    pub fn plan(&self, name: &str, mode: Mode, key: &str) -> Plan {
        Plan {
            name: name.to_owned(),
            mode,
            keys: vec![key.to_owned()],
            holds: Vec::new(),
            lease: LONG,
            options: self.options.clone(),
            run_by: Vec::new(),
        }
    }

    /// What another worker is told that repeats the request, once nobody is running it.
    pub async fn repeat(&self, name: &str, mode: Mode, key: &str) -> Told {
        Worker::start(&self.plan(name, mode, key)).outcome().await
    }
}
