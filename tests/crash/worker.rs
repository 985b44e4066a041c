//! What a worker does: it runs requests by their keys, says how far it is, and waits there if it was told to.
//!
//! It goes by its environment, writes lines that begin with [`SAYS`] to its output, and goes on from where it waits with each line it
//! reads. When its input ends it ends, so that none is left over from a test that failed.

use std::env;
use std::io::stdin;
use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, OnAbandoned, Outcome, PgBackend, Request};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use tokio::sync::{Mutex, mpsc};

use super::Mode;

/// Before what a worker says, in lines that the test harness may have begun.
pub const SAYS: &str = "@ ";

/// Where a worker says that it is, and can be told to wait: nothing but the claim has happened.
pub const CLAIMED: &str = "claimed";
/// The effect has been had.
pub const EFFECT: &str = "effect";
/// The transaction is about to be committed.
pub const SETTLED: &str = "settled";
/// All that it was told to do has been done.
pub const OVER: &str = "over";

/// How long a call waits before it returns that another one is running, and is made again.
const WAIT: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum OrderError {
    Idempotency(IdempotencyError),
    Database,
}

impl From<IdempotencyError> for OrderError {
    fn from(error: IdempotencyError) -> Self {
        Self::Idempotency(error)
    }
}

impl From<sqlx::Error> for OrderError {
    fn from(_: sqlx::Error) -> Self {
        Self::Database
    }
}

type Told = Result<Outcome<String>, OrderError>;

/// Is a worker, if the environment says so.
pub fn work() {
    let Ok(name) = env::var("CRASH_WORKER") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { Shop::open(name).serve().await });
}

fn given(name: &str) -> String {
    env::var(format!("CRASH_{name}")).unwrap()
}

fn say(what: &str) {
    println!("{SAYS}{what}");
}

struct Shop {
    name: String,
    mode: Mode,
    pool: PgPool,
    store: IdempotencyStore<PgBackend>,
    /// Another connection than the store's, as if it were another service.
    elsewhere: PgConnectOptions,
    effects: Mutex<Option<PgConnection>>,
    holds: Vec<String>,
    lines: Mutex<mpsc::UnboundedReceiver<()>>,
}

impl Shop {
    fn open(name: String) -> Arc<Self> {
        let mode = given("MODE");
        let mode = Mode::ALL.into_iter().find(|one| one.to_string() == mode).unwrap();
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(given("PORT").parse().unwrap())
            .username("postgres")
            .database(&given("DATABASE"))
            .ssl_mode(PgSslMode::Disable);
        // One connection, asked whether it is alive at one place alone, so that what is sent does not depend on who is faster.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().application_name(&name));
        let on_abandoned = match mode {
            Mode::Rerun => OnAbandoned::Rerun,
            Mode::Refuse | Mode::Transaction => OnAbandoned::Refuse,
        };
        let store = IdempotencyStore::builder(PgBackend::new(pool.clone()))
            .lease(Duration::from_millis(given("LEASE").parse().unwrap()))
            .wait(WAIT)
            .on_abandoned(on_abandoned)
            .build()
            .unwrap();
        Arc::new(Self {
            name,
            mode,
            pool,
            store,
            elsewhere: options.application_name("effects"),
            effects: Mutex::default(),
            holds: given("HOLDS").split_whitespace().map(str::to_owned).collect(),
            lines: Mutex::new(lines()),
        })
    }

    async fn serve(self: Arc<Self>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        say(&format!("clock {}", now.as_secs()));
        for key in given("KEYS").split_whitespace() {
            let told = self.request(key).await;
            say(&match told {
                Ok(Outcome::Fresh(reply)) => format!("{key} fresh {reply}"),
                Ok(Outcome::Replayed(reply)) => format!("{key} replayed {reply}"),
                Err(OrderError::Database) => format!("{key} error Database"),
                Err(OrderError::Idempotency(error)) => {
                    let error = format!("{error:?}");
                    format!("{key} error {}", error.split(' ').next().unwrap_or_default())
                }
            });
        }
        self.is_back().await;
        self.reaches("all", OVER).await;
        self.pool.close().await;
    }

    /// Repeats a request until nobody else is running it, as a client would.
    async fn request(self: &Arc<Self>, key: &str) -> Told {
        loop {
            let told = match self.mode {
                Mode::Refuse | Mode::Rerun => self.under_lease(key).await,
                Mode::Transaction => self.in_transaction(key).await,
            };
            match told {
                Err(OrderError::Idempotency(IdempotencyError::InProgress { .. })) => say(&format!("{key} waits")),
                told => return told,
            }
        }
    }

    async fn under_lease(self: &Arc<Self>, key: &str) -> Told {
        let (shop, key) = (Arc::clone(self), key.to_owned());
        self.store
            .run(request(&key), move || async move {
                shop.is_back().await;
                shop.reaches(&key, CLAIMED).await;
                let mut effects = shop.effects.lock().await;
                let connection = match &mut *effects {
                    Some(connection) => connection,
                    none => none.insert(shop.elsewhere.connect().await?),
                };
                let reply = shop.effect(connection, &key).await?;
                drop(effects);
                shop.reaches(&key, EFFECT).await;
                Ok(reply)
            })
            .await
    }

    async fn in_transaction(&self, key: &str) -> Told {
        let mut transaction = self.pool.begin().await?;
        let outcome = self
            .store
            .in_transaction(&mut transaction, request(key), async |transaction| {
                self.reaches(key, CLAIMED).await;
                let reply = self.effect(transaction, key).await?;
                self.reaches(key, EFFECT).await;
                Ok::<_, OrderError>(reply)
            })
            .await?;
        self.reaches(key, SETTLED).await;
        transaction.commit().await?;
        Ok(outcome)
    }

    async fn effect(&self, connection: &mut PgConnection, key: &str) -> Result<String, OrderError> {
        let insert = "INSERT INTO effects (key, worker) VALUES ($1, $2) RETURNING id";
        let id: i64 = sqlx::query_scalar(insert)
            .bind(key)
            .bind(&self.name)
            .fetch_one(connection)
            .await?;
        Ok(format!("{}/{id}", self.name))
    }

    /// Waits until the connection, if there is one, is back in its pool and has been asked whether it is alive: otherwise that would be
    /// sent at any time.
    async fn is_back(&self) {
        while self.pool.num_idle() == 0 && self.pool.size() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn reaches(&self, key: &str, place: &str) {
        say(&format!("{key} {place}"));
        if self.holds.iter().any(|hold| hold == place) {
            self.lines.lock().await.recv().await;
        }
    }
}

fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload("shoes")
}

/// What the parent says.
fn lines() -> mpsc::UnboundedReceiver<()> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for _ in stdin().lines().map_while(Result::ok) {
            let _ = sender.send(());
        }
        exit(3);
    });
    lines
}
