//! What revisions in Postgres cost: those who write to watched tables, and those who ask.
//!
//! Not timed by criterion: sixteen writers at once have no median of a call alone. Each way of watching (none, by triggers, by
//! triggers that notify) has a database of its own on one server, with the same tables; in each round all take turns, in another
//! order. The server writes through, on the machine that measures. Each writer changes rows of its own in two of four tables, every
//! other one in the opposite order, so that without triggers nobody waits. How many do wait for a lock is sampled from
//! `pg_stat_activity`. That the revisions count every commit is asserted.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]

#[path = "../../tests/support/postgres.rs"]
mod postgres;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cache_benches::table::Table;
use cache_core::postgres::{Listen, Revisions};
use futures::future::join_all;
use postgres::server;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};

const WRITERS: usize = 16;
const TABLES: [&str; 4] = ["w0", "w1", "w2", "w3"];
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const BULK: usize = 100_000;
const BULK_ROUNDS: usize = 5;
const ASKED: usize = 2_000;
const NOTIFIED: usize = 1_000;

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

/// A way of watching, in a database of its own.
struct Way {
    name: &'static str,
    pool: PgPool,
    revisions: Option<Revisions>,
    commits: u64,
    rounds: Vec<Round>,
    bulks: Vec<f64>,
}

/// What came of one round.
struct Round {
    per_second: f64,
    median: f64,
    rare: f64,
    waiting: f64,
}

impl Way {
    async fn new(name: &'static str, notify: Option<bool>) -> Self {
        let options = server().new_database().await;
        let pool = PgPoolOptions::new()
            .max_connections(32)
            .connect_with(options)
            .await
            .unwrap();
        let mut connection = pool.acquire().await.unwrap();
        for table in TABLES {
            run(
                &mut connection,
                &format!(
                    "CREATE TABLE {table} (id int PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50); \
                     INSERT INTO {table} SELECT n, 0 FROM generate_series(1, {WRITERS}) AS n"
                ),
            )
            .await;
        }
        run(
            &mut connection,
            &format!("CREATE TABLE bulk (id int PRIMARY KEY, n int); INSERT INTO bulk SELECT n, 0 FROM generate_series(1, {BULK}) AS n"),
        )
        .await;
        let revisions = match notify {
            None => None,
            Some(notify) => {
                let tables = [&TABLES[..], &["bulk"]].concat();
                Some(
                    Revisions::builder()
                        .notify(notify)
                        .install(&pool, &tables)
                        .await
                        .unwrap(),
                )
            }
        };
        drop(connection);
        Self {
            name,
            pool,
            revisions,
            commits: 0,
            rounds: Vec::new(),
            bulks: Vec::new(),
        }
    }

    async fn round(&mut self) {
        let done = Arc::new(AtomicBool::new(false));
        let sampler = tokio::spawn(sample(self.pool.clone(), Arc::clone(&done)));
        let end = Instant::now() + ROUND;
        let started = Instant::now();
        let writers = (0..WRITERS).map(|number| tokio::spawn(write(self.pool.clone(), number, end)));
        let mut times = Vec::new();
        for writer in join_all(writers.collect::<Vec<_>>()).await {
            times.extend(writer.unwrap());
        }
        let took = started.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let waiting = sampler.await.unwrap();
        self.commits += times.len() as u64;
        times.sort_unstable();
        self.rounds.push(Round {
            per_second: times.len() as f64 / took,
            median: milliseconds(times[times.len() / 2]),
            rare: milliseconds(times[times.len() - 1 - times.len() / 100]),
            waiting,
        });
    }

    /// Updates many rows with one statement.
    async fn bulk(&mut self) {
        let mut connection = self.pool.acquire().await.unwrap();
        run(&mut connection, "VACUUM bulk").await;
        run(&mut connection, "CHECKPOINT").await;
        let started = Instant::now();
        run(&mut connection, "UPDATE bulk SET n = n + 1").await;
        self.bulks.push(milliseconds(started.elapsed()));
    }

    async fn deadlocks(&self) -> f64 {
        let sql = "SELECT deadlocks::float8 FROM pg_stat_database WHERE datname = current_database()";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Every commit was counted, in two tables each.
    async fn check(&self) {
        let Some(revisions) = &self.revisions else { return };
        let revision = revisions.revision(&TABLES).await.unwrap().to_string();
        let counted = revision
            .split(' ')
            .map(|table| table.split_once('@').unwrap().1.parse::<u64>().unwrap());
        assert_eq!(counted.sum::<u64>(), 2 * self.commits);
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What each transaction of this writer took.
async fn write(pool: PgPool, number: usize, end: Instant) -> Vec<Duration> {
    let mut connection = pool.acquire().await.unwrap();
    let mut times = Vec::new();
    let id = number + 1;
    for n in 0.. {
        let (mut first, mut second) = ((number + n) % 4, (number + n + 1) % 4);
        if number % 2 == 1 {
            std::mem::swap(&mut first, &mut second);
        }
        let started = Instant::now();
        if started >= end {
            break;
        }
        run(&mut connection, "BEGIN").await;
        for table in [first, second] {
            run(
                &mut connection,
                &format!("UPDATE {} SET n = n + 1 WHERE id = {id}", TABLES[table]),
            )
            .await;
        }
        run(&mut connection, "COMMIT").await;
        times.push(started.elapsed());
    }
    times
}

/// Of those who were at work whenever it was looked, the share that waited for a lock, in percent.
async fn sample(pool: PgPool, done: Arc<AtomicBool>) -> f64 {
    let mut connection = PgConnection::connect_with(&pool.connect_options()).await.unwrap();
    let sql = "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
    let (mut waited, mut all) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
        waited += row.get::<i64, _>(0);
        all += row.get::<i64, _>(1);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    100.0 * waited as f64 / all.max(1) as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn writers() -> Result<(), Box<dyn Error>> {
    let mut ways = [
        Way::new("not watched", None).await,
        Way::new("watched", Some(false)).await,
        Way::new("watched, notifying", Some(true)).await,
    ];
    for round in 0..=ROUNDS {
        for turn in 0..ways.len() {
            ways[(round + turn) % 3].round().await;
        }
        if round == 0 {
            // The first of each is for the server to get going.
            for way in &mut ways {
                way.rounds.clear();
            }
        }
    }
    for round in 0..BULK_ROUNDS {
        for turn in 0..ways.len() {
            ways[(round + turn) % 3].bulk().await;
        }
    }
    let mut table = Table::new(&[
        ("commits/s", 0),
        ("median, ms", 2),
        ("99 %, ms", 2),
        ("waiting for a lock, %", 2),
        ("deadlocks", 0),
        ("update of 100,000 rows, ms", 0),
    ]);
    for way in &ways {
        way.check().await;
        let column = |figure: fn(&Round) -> f64| Some(median(way.rounds.iter().map(figure).collect()));
        let cells = [
            column(|round| round.per_second),
            column(|round| round.median),
            column(|round| round.rare),
            column(|round| round.waiting),
            Some(way.deadlocks().await),
            Some(median(way.bulks.clone())),
        ];
        table.push(way.name, cells);
    }
    table.save("writers")?;
    eprintln!("{WRITERS} writers\n\n{table}");
    Ok(())
}

/// The median, and what one in a hundred exceeds, in microseconds.
fn spread(mut times: Vec<Duration>) -> [Option<f64>; 2] {
    times.sort_unstable();
    [times[times.len() / 2], times[times.len() - 1 - times.len() / 100]].map(|time| Some(time.as_secs_f64() * 1e6))
}

async fn readers() -> Result<(), Box<dyn Error>> {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    let names: Vec<String> = (0..11).map(|number| format!("t{number}")).collect();
    let mut connection = pool.acquire().await?;
    for name in &names {
        run(&mut connection, &format!("CREATE TABLE {name} (id int)")).await;
    }
    let asking = Revisions::builder().notify(true).install(&pool, &names).await?;
    let pushed = asking.listen(Listen::new())?;

    let mut table = Table::new(&[("median, µs", 2), ("99 %, µs", 2)]);
    let (mut floor, mut one, mut all, mut in_memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while pushed
        .listening()
        .is_none_or(|listening| listening.in_memory < names.len())
    {
        pushed.revision(&names).await?;
    }
    for _ in 0..ASKED {
        let started = Instant::now();
        run(&mut connection, "SELECT 1").await;
        floor.push(started.elapsed());
        let started = Instant::now();
        asking.revision(&names[..1]).await?;
        one.push(started.elapsed());
        let started = Instant::now();
        asking.revision(&names).await?;
        all.push(started.elapsed());
        let started = Instant::now();
        for _ in 0..100 {
            pushed.revision(&names).await?;
        }
        in_memory.push(started.elapsed() / 100);
    }
    table.push("SELECT 1", spread(floor));
    table.push("revision, 1 table", spread(one));
    table.push("revision, 11 tables", spread(all));
    table.push("revision, 11 tables, in memory", spread(in_memory));

    let (mut known, mut renewed) = (Vec::new(), Vec::new());
    let listening = || pushed.listening().unwrap();
    for _ in 0..NOTIFIED {
        while listening().in_memory < names.len() {
            tokio::task::yield_now().await;
        }
        let before = listening().notifications;
        run(&mut connection, "INSERT INTO t0 VALUES (1)").await;
        let committed = Instant::now();
        while listening().notifications == before {
            tokio::task::yield_now().await;
        }
        known.push(committed.elapsed());
        while listening().in_memory < names.len() {
            tokio::task::yield_now().await;
        }
        renewed.push(committed.elapsed());
    }
    table.push("from a commit until calls ask", spread(known));
    table.push("from a commit until memory has it", spread(renewed));
    table.save("revisions")?;
    eprintln!("revisions\n\n{table}");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        writers().await?;
        readers().await
    })
}
