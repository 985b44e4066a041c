//! What a request costs that is to run once: beside what people write by hand, an `INSERT … ON CONFLICT DO NOTHING`.
//!
//! Not timed by criterion: sixty-four callers at once have no median of a call alone. All ways use one server, which writes through, on the
//! machine that measures, and pools of the same size; in each round all take turns, in another order. The handler returns a small reply at
//! once; in a transaction it inserts one row. By hand, the key is inserted, the reply updated into it, and where the insertion conflicts
//! the reply selected, all by prepared statements: no lease, no payload to compare, and who comes while the first one runs finds no reply.
//! Round trips are counted by a proxy; that the pool asks each connection that is given back whether it is alive is not, since nobody waits
//! for that. That each handler ran once for each key is asserted.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]

#[path = "../../tests/support/postgres.rs"]
mod postgres;
#[path = "../../tests/support/proxy.rs"]
mod proxy;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_benches::table::Table;
use cache_core::idempotency::{Backend, IdempotencyStore, MemoryBackend, PgBackend, Request};
use futures::future::join_all;
use postgres::server;
use proxy::Proxy;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

const CALLERS: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(400);
/// Settled keys of each caller.
const SETTLED: u64 = 100;
const COUNTED: u64 = 50;

const REPLY: &str = r#"{"order":4711,"state":"paid"}"#;

/// How a request is run once.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Memory,
    ByHand,
    Store,
    ByHandInTransaction,
    StoreInTransaction,
}

const WAYS: [(Way, &str); 5] = [
    (Way::ByHand, "by hand"),
    (Way::Store, "PgBackend"),
    (Way::ByHandInTransaction, "by hand, in a transaction"),
    (Way::StoreInTransaction, "PgBackend, in a transaction"),
    (Way::Memory, "MemoryBackend"),
];

#[derive(Debug)]
struct Failed(#[expect(dead_code, reason = "is shown when a call fails")] String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

#[derive(Clone)]
struct World {
    pool: PgPool,
    memory: IdempotencyStore<MemoryBackend>,
    store: IdempotencyStore<PgBackend>,
    ran: Arc<AtomicU64>,
    /// How often a connection was given back. The pool asks it then whether it is alive, behind the back of who gave it.
    given_back: Arc<AtomicU64>,
}

impl World {
    async fn over(options: PgConnectOptions) -> Self {
        // To ask each connection whether it is alive would be one more round trip for whoever acquires one; the store does not.
        let pool = PgPoolOptions::new().max_connections(16).test_before_acquire(false);
        let given_back = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&given_back);
        let pool = pool.after_release(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(true) })
        });
        let pool = pool.connect_with(options).await.unwrap();
        let store = IdempotencyStore::new(PgBackend::new(pool.clone()));
        store.create_schema().await.unwrap();
        for table in [
            "CREATE TABLE IF NOT EXISTS by_hand (key text COLLATE \"C\" PRIMARY KEY, reply bytea)",
            "CREATE TABLE IF NOT EXISTS effects (key text NOT NULL)",
        ] {
            sqlx::query(table).execute(&pool).await.unwrap();
        }
        Self {
            pool,
            memory: IdempotencyStore::new(MemoryBackend::new().max_records(10_000_000).max_bytes(1 << 30)),
            store,
            ran: Arc::default(),
            given_back,
        }
    }

    async fn call(&self, way: Way, key: &str) {
        match way {
            Way::Memory => self.through(&self.memory, key).await,
            Way::Store => self.through(&self.store, key).await,
            Way::ByHand => self.by_hand(key).await,
            Way::ByHandInTransaction => self.by_hand_in_transaction(key).await,
            Way::StoreInTransaction => self.in_transaction(key).await,
        }
        .unwrap();
    }

    fn handler(&self) -> impl Future<Output = Result<String, Failed>> + Send + 'static {
        let ran = Arc::clone(&self.ran);
        async move {
            ran.fetch_add(1, Ordering::Relaxed);
            Ok(REPLY.to_owned())
        }
    }

    async fn through<B: Backend>(&self, store: &IdempotencyStore<B>, key: &str) -> Result<String, Failed> {
        let handler = self.handler();
        Ok(store.run(request(key), move || handler).await?.into_inner())
    }

    async fn by_hand(&self, key: &str) -> Result<String, Failed> {
        let insert = sqlx::query("INSERT INTO by_hand (key) VALUES ($1) ON CONFLICT DO NOTHING").bind(key);
        if insert.execute(&self.pool).await?.rows_affected() == 1 {
            let reply = self.handler().await?;
            let update = sqlx::query("UPDATE by_hand SET reply = $2 WHERE key = $1")
                .bind(key)
                .bind(reply.as_bytes());
            update.execute(&self.pool).await?;
            return Ok(reply);
        }
        let select = sqlx::query_scalar("SELECT reply FROM by_hand WHERE key = $1").bind(key);
        let reply: Vec<u8> = select.fetch_one(&self.pool).await?;
        Ok(String::from_utf8(reply)?)
    }

    async fn by_hand_in_transaction(&self, key: &str) -> Result<String, Failed> {
        let mut tx = self.pool.begin().await?;
        let insert = sqlx::query("INSERT INTO by_hand (key) VALUES ($1) ON CONFLICT DO NOTHING").bind(key);
        let reply = if insert.execute(&mut *tx).await?.rows_affected() == 1 {
            let effect = sqlx::query("INSERT INTO effects (key) VALUES ($1)").bind(key);
            effect.execute(&mut *tx).await?;
            let reply = self.handler().await?;
            let update = sqlx::query("UPDATE by_hand SET reply = $2 WHERE key = $1")
                .bind(key)
                .bind(reply.as_bytes());
            update.execute(&mut *tx).await?;
            reply
        } else {
            let select = sqlx::query_scalar("SELECT reply FROM by_hand WHERE key = $1").bind(key);
            let reply: Vec<u8> = select.fetch_one(&mut *tx).await?;
            String::from_utf8(reply)?
        };
        tx.commit().await?;
        Ok(reply)
    }

    async fn in_transaction(&self, key: &str) -> Result<String, Failed> {
        let mut tx = self.pool.begin().await?;
        let handler = async |connection: &mut sqlx::PgConnection| {
            let effect = sqlx::query("INSERT INTO effects (key) VALUES ($1)").bind(key);
            effect.execute(connection).await?;
            self.handler().await
        };
        let outcome = self.store.in_transaction(&mut tx, request(key), handler).await?;
        tx.commit().await?;
        Ok(outcome.into_inner())
    }

    /// Calls for as long as a round lasts, and says how long each took.
    async fn round(&self, way: Way, callers: usize, is_fresh: bool, turn: u64) -> Vec<Duration> {
        let end = Instant::now() + ROUND;
        let callers = (0..callers).map(|caller| {
            let world = self.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                let mut number = 0;
                while Instant::now() < end {
                    let key = if is_fresh {
                        format!("fresh-{}-{turn}-{caller}-{number}", way as u8)
                    } else {
                        settled(way, caller as u64, number)
                    };
                    let began = Instant::now();
                    world.call(way, &key).await;
                    times.push(began.elapsed());
                    number += 1;
                }
                times
            })
        });
        let times = join_all(callers.collect::<Vec<_>>()).await;
        times.into_iter().flat_map(Result::unwrap).collect()
    }
}

/// A key that has a reply. Those of one caller are no other's, so that none waits for another.
fn settled(way: Way, caller: u64, number: u64) -> String {
    format!("settled-{}-{caller}-{}", way as u8, number % SETTLED)
}

fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload(&("shoes", 2))
}

/// Round trips of a call, as a proxy counts them, once statements are prepared; without those of the pool when a connection is given back.
async fn round_trips(options: &PgConnectOptions, way: Way, is_fresh: bool) -> f64 {
    let proxy = Proxy::start(options).await;
    let world = World::over(proxy.options(options)).await;
    let key = |number: u64| {
        if is_fresh {
            format!("counted-{}-{number}", way as u8)
        } else {
            settled(way, 0, number)
        }
    };
    for number in 0..COUNTED {
        world.call(way, &key(number)).await;
    }
    // The pool sees to connections behind the back of who gave them back.
    let idle = async || {
        while world.pool.num_idle() < world.pool.size() as usize {
            tokio::task::yield_now().await;
        }
        proxy.queries() + proxy.syncs() - world.given_back.load(Ordering::SeqCst)
    };
    let mut trips = 0;
    for number in COUNTED..2 * COUNTED {
        let before = idle().await;
        world.call(way, &key(number)).await;
        trips += idle().await - before;
    }
    trips as f64 / COUNTED as f64
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let options = server().new_database().await;
    let world = World::over(options.clone()).await;
    for (way, _) in WAYS {
        for caller in 0..CALLERS[2] as u64 {
            for number in 0..SETTLED {
                world.call(way, &settled(way, caller, number)).await;
            }
        }
    }
    let keys = (WAYS.len() * CALLERS[2]) as u64 * SETTLED;
    assert_eq!(
        world.ran.swap(0, Ordering::Relaxed),
        keys,
        "a handler ran twice, or not at all"
    );

    for (is_fresh, name) in [(true, "idempotency_fresh"), (false, "idempotency_replayed")] {
        let mut figures = vec![[(); CALLERS.len()].map(|()| Vec::new()); WAYS.len()];
        let mut turn = 0;
        for round in 0..ROUNDS {
            for (place, callers) in CALLERS.into_iter().enumerate() {
                for at in 0..WAYS.len() {
                    let at = (at + round) % WAYS.len();
                    turn += 1;
                    let mut times = world.round(WAYS[at].0, callers, is_fresh, turn).await;
                    let ran = world.ran.swap(0, Ordering::Relaxed);
                    assert_eq!(ran, if is_fresh { times.len() as u64 } else { 0 });
                    times.sort_unstable();
                    figures[at][place].push(micros(times[times.len() / 2]));
                }
            }
        }
        let mut table = Table::new(&[
            ("1 caller, µs", 0),
            ("8 callers, µs", 0),
            ("64 callers, µs", 0),
            ("round trips", 1),
        ]);
        for (at, (way, way_name)) in WAYS.into_iter().enumerate() {
            let trips = match way {
                Way::Memory => None,
                way => Some(round_trips(&options, way, is_fresh).await),
            };
            let medians = figures[at].iter_mut().map(|rounds| {
                rounds.sort_unstable_by(f64::total_cmp);
                Some(rounds[rounds.len() / 2])
            });
            let cells: Vec<_> = medians.chain([trips]).collect();
            table.push(way_name, cells);
        }
        table.save(name)?;
        eprintln!("{}\n\n{table}", if is_fresh { "fresh" } else { "replayed" });
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}
