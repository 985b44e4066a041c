//! What a call of a function with a revision costs: a hit by where the revision comes from, an old value while a new one is
//! brought, and the rebuild, beside a hit of `#[cached_lru]` and the twenty queries themselves.
//!
//! Not timed by criterion: half of it waits for a server, on the same machine. All take turns, round by round, in one process.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

#[path = "../../tests/support/postgres.rs"]
mod postgres;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_benches::table::Table;
use cache_core::postgres::{Listen, Revisions};
use cache_core::revision::Status;
use cache_core::{cached_lru, cached_revision};
use postgres::server;
use sqlx::{AssertSqlSafe, PgPool};

const ROUNDS: usize = 15;
/// Calls in a round of what does not wait.
const CALLS: u32 = 20_000;
/// The same of what asks the server.
const ASKING: u32 = 100;
const REBUILDS: u32 = 10;

#[derive(Clone)]
struct Db {
    pool: PgPool,
    asking: Revisions,
    pushed: Revisions,
    tables: Arc<[String]>,
    counter: Arc<AtomicU64>,
}

impl Db {
    async fn summary(&self) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
        let mut counts = Vec::new();
        for number in 0..20 {
            let table = &self.tables[number % self.tables.len()];
            let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            counts.push(sqlx::query_scalar(count).fetch_one(&self.pool).await?);
        }
        Ok(Arc::new(counts))
    }
}

#[cached_lru(skip(db))]
async fn plain(db: &Db) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
    db.summary().await
}

#[cached_revision(revision = db.counter.load(Relaxed))]
async fn counted(db: &Db) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
    db.summary().await
}

/// The value that is served is always an old one: the source moves on with each call, and the refresh never ends.
#[cached_revision(revision = db.counter.fetch_add(1, Relaxed), on_change = "stale", max_stale = "1h")]
async fn outdated(db: &Db) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
    if db.counter.load(Relaxed) > 1 {
        std::future::pending::<()>().await;
    }
    db.summary().await
}

#[cached_revision(revision = db.pushed.revision(&db.tables[..1]))]
async fn pushed_one(db: &Db) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
    db.summary().await
}

#[cached_revision(revision = db.pushed.revision(&db.tables))]
async fn pushed(db: &Db) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
    db.summary().await
}

#[cached_revision(revision = db.asking.revision(&db.tables))]
async fn asked(db: &Db) -> Result<Arc<Vec<i64>>, Arc<sqlx::Error>> {
    db.summary().await
}

/// Nanoseconds a call.
async fn time<F: Future>(calls: u32, call: impl Fn() -> F) -> f64 {
    let started = Instant::now();
    for _ in 0..calls {
        call().await;
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn set_up() -> Result<Db, Box<dyn Error>> {
    let pool = server().database().await;
    let tables: Arc<[String]> = (0..11).map(|number| format!("t{number}")).collect();
    for table in &*tables {
        let create = format!("CREATE TABLE {table} (id int); INSERT INTO {table} SELECT generate_series(1, 1000)");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await?;
    }
    let asking = Revisions::builder().notify(true).install(&pool, &tables).await?;
    let pushed = asking.listen(
        Listen::new()
            .heartbeat(Duration::from_secs(30))
            .lease(Duration::from_secs(60)),
    )?;
    while pushed.listening().is_none_or(|it| it.in_memory < tables.len()) {
        pushed.revision(&tables).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Db {
        pool,
        asking,
        pushed,
        tables,
        counter: Arc::default(),
    })
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let db = set_up().await?;
    let lagging = Db {
        counter: Arc::default(),
        ..db.clone()
    };
    for _ in 0..2 {
        plain(&db).await?;
        counted(&db).await?;
        pushed_one(&db).await?;
        pushed(&db).await?;
        asked(&db).await?;
    }
    outdated(&lagging).await?;
    assert_eq!(outdated::lookup(&lagging).await?.status, Status::Stale);

    let mut figures: [Vec<f64>; 9] = Default::default();
    for _ in 0..ROUNDS {
        let round = [
            time(CALLS, || plain(&db)).await,
            time(CALLS, || counted(&db)).await,
            time(CALLS, || outdated(&lagging)).await,
            time(CALLS, || pushed_one(&db)).await,
            time(CALLS, || pushed(&db)).await,
            time(ASKING, || asked(&db)).await,
            time(ASKING, || async {
                sqlx::raw_sql("SELECT 1").execute(&db.pool).await.unwrap()
            })
            .await,
            time(REBUILDS, || asked::force(&db)).await,
            time(REBUILDS, || db.summary()).await,
        ];
        for (all, figure) in figures.iter_mut().zip(round) {
            all.push(figure);
        }
    }
    // All that was meant to hit has hit.
    for stats in [plain::stats(), counted::stats(), pushed_one::stats(), pushed::stats()] {
        assert_eq!(stats.misses, 1, "{stats}");
    }
    assert_eq!(outdated::stats().refreshes, 1);
    assert_eq!(asked::stats().loads, 1 + u64::try_from(ROUNDS)? * u64::from(REBUILDS));

    let names = [
        "hit of #[cached_lru]",
        "hit, a counter for a revision",
        "an old value, while a new one is brought",
        "hit in push mode, 1 table",
        "hit in push mode, 11 tables",
        "hit in ask mode, 11 tables",
        "SELECT 1",
        "rebuild of 20 queries, by force",
        "the 20 queries alone",
    ];
    let mut table = Table::new(&[("µs", 3)]);
    for (name, figures) in names.into_iter().zip(figures) {
        table.push(name, [Some(median(figures) / 1e3)]);
    }
    table.save("revision")?;
    eprintln!("calls of functions with a revision\n\n{table}");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}
