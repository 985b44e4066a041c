//! A product page on a real database under real traffic: what the cache saves, and that it never shows the past.
//!
//! A recorded day of requests to a shop's product page (`data/web12.trace`) is played by concurrent readers against an
//! `SQLite` file, while a writer changes the very product that is being asked for. Every read is checked against what
//! had been committed before it began. Then the same requests go past the cache, for comparison.
//!
//! `cargo run --release --example product_page -- --help`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cache_core::{cached_lru, cached_ttl, invalidates};
use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

// ---- The functions that a service would have -------------------------------------------------------------------

/// A row of `products`. `version` counts its changes, for the check alone.
#[derive(Debug)]
struct Product {
    name: String,
    category: String,
    price_cents: i64,
    version: i64,
}

/// The best offers of a category. `version` counts the changes of all its products, for the check alone.
#[derive(Debug)]
struct Offers {
    cheapest: Vec<(String, i64)>,
    version: i64,
}

/// Kept for the 2,000 products that were asked for last, about a seventh of them all.
#[cached_lru(max_size = 2_000, skip(db))]
async fn get_product(db: &SqlitePool, id: u32) -> Result<Arc<Product>, sqlx::Error> {
    let (name, category, price_cents, version) =
        sqlx::query_as("SELECT name, category, price_cents, version FROM products WHERE id = ?")
            .bind(id)
            .fetch_one(db)
            .await?;
    Ok(Arc::new(Product {
        name,
        category,
        price_cents,
        version,
    }))
}

/// Evicted by every change that goes through [`reprice`], and after five minutes for the sake of those that do not.
#[cached_ttl(ttl = "5m", skip(db))]
async fn list_offers(db: &SqlitePool, category: &str) -> Result<Arc<Offers>, sqlx::Error> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT products.name, price_cents, categories.version FROM products
         JOIN categories ON categories.name = category WHERE category = ? ORDER BY price_cents LIMIT 10",
    )
    .bind(category)
    .fetch_all(db)
    .await?;
    let version = rows.first().map_or(0, |(_, _, version)| *version);
    let cheapest = rows.into_iter().map(|(name, price, _)| (name, price)).collect();
    Ok(Arc::new(Offers { cheapest, version }))
}

/// Changes a price.
///
/// This is where caches go stale. A reader misses, asks the database, and is given the old row; before it gets to
/// store it, the new price is committed and the key evicted; then the reader stores the old row, and everybody is shown
/// it until the next change. Evicting before the write instead, or doing both, leaves the same gap: a
/// product cache kept by hand in this way had 24 to 36 stale reads in this very run (release mode, two cores).
///
/// `#[invalidates]` closes it: it evicts before the body is first polled, detaches the loads that are in flight, keeps
/// nothing that is loaded while the body runs, and does the same once more when it ends, by an error or by being
/// dropped half way as well. The old row still reaches the readers that had asked for it, and nobody after them.
#[invalidates(get_product(id), list_offers(category))]
async fn reprice(db: &SqlitePool, id: u32, category: &str, price_cents: i64) -> Result<(i64, i64), sqlx::Error> {
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await?;
    let (product,) =
        sqlx::query_as("UPDATE products SET price_cents = ?, version = version + 1 WHERE id = ? RETURNING version")
            .bind(price_cents)
            .bind(id)
            .fetch_one(&mut *transaction)
            .await?;
    let (offers,) = sqlx::query_as("UPDATE categories SET version = version + 1 WHERE name = ? RETURNING version")
        .bind(category)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok((product, offers))
}

// ---- The traffic, and the check of every read ------------------------------------------------------------------

/// How many changes of one row were begun and how many are done, known without asking the database.
#[derive(Default)]
struct Truth {
    begun: AtomicI64,
    done: AtomicI64,
}

struct Shop {
    db: SqlitePool,
    /// The product of each request, in the order they came.
    requests: Vec<u32>,
    products: HashMap<u32, Truth>,
    categories: HashMap<&'static str, Truth>,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Cached,
    Uncached,
}

/// What one way of reading came to.
struct Tally {
    requests: u64,
    writes: u64,
    /// Reads during which the same row was being changed: those a stale value could come from.
    met_a_write: u64,
    /// Reads that got less than what had been committed before they began.
    stale: u64,
    nanoseconds: Histogram<u64>,
    took: Duration,
}

impl Tally {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            requests: 0,
            writes: 0,
            met_a_write: 0,
            stale: 0,
            nanoseconds: Histogram::new_with_max(60_000_000_000, 3)?,
            took: Duration::ZERO,
        })
    }

    /// Compares what a read got with what was `done` before it.
    fn check(&mut self, truth: &Truth, done: i64, version: i64) {
        self.stale += u64::from(version < done);
        self.met_a_write += u64::from(truth.begun.load(Ordering::Acquire) > done);
    }

    fn add(&mut self, other: &Self) -> Result<(), Error> {
        self.requests += other.requests;
        self.met_a_write += other.met_a_write;
        self.stale += other.stale;
        self.nanoseconds.add(&other.nanoseconds)?;
        Ok(())
    }

    fn microseconds(&self, quantile: f64) -> String {
        let nanoseconds = Duration::from_nanos(self.nanoseconds.value_at_quantile(quantile));
        format!("{:.1}", nanoseconds.as_secs_f64() * 1e6)
    }
}

/// Plays all requests one way.
async fn play(shop: &Arc<Shop>, options: &Options, way: Way, bar: &ProgressBar) -> Result<Tally, Error> {
    let began = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    // Room for one, so that the changes keep pace with the requests.
    let (changes, to_change) = mpsc::channel(1);
    let mut readers = JoinSet::new();
    for _ in 0..options.readers {
        let (shop, next, changes, bar) = (Arc::clone(shop), Arc::clone(&next), changes.clone(), bar.clone());
        readers.spawn(read(shop, way, next, changes, options.every, bar));
    }
    drop(changes);
    let writer = tokio::spawn(write(Arc::clone(shop), to_change));

    let mut tally = Tally::new()?;
    while let Some(reader) = readers.join_next().await {
        tally.add(&reader??)?;
    }
    tally.writes = writer.await??;
    tally.took = began.elapsed();
    Ok(tally)
}

/// Takes one request after the other, until there are none left.
async fn read(
    shop: Arc<Shop>,
    way: Way,
    next: Arc<AtomicUsize>,
    changes: mpsc::Sender<u32>,
    every: usize,
    bar: ProgressBar,
) -> Result<Tally, Error> {
    let mut tally = Tally::new()?;
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(&id) = shop.requests.get(at) else { break };
        // The change is made while this and other requests read the same product.
        if at % every == every - 1 && changes.send(id).await.is_err() {
            break; // The writer has failed, and says why.
        }
        let began = Instant::now();

        let truth = &shop.products[&id];
        let done = truth.done.load(Ordering::Acquire);
        let product = match way {
            Way::Cached => get_product(&shop.db, id).await?,
            Way::Uncached => get_product::uncached(&shop.db, id).await?,
        };
        tally.check(truth, done, product.version);

        let truth = &shop.categories[product.category.as_str()];
        let done = truth.done.load(Ordering::Acquire);
        let offers = match way {
            Way::Cached => list_offers(&shop.db, &product.category).await?,
            Way::Uncached => list_offers::uncached(&shop.db, &product.category).await?,
        };
        tally.check(truth, done, offers.version);

        std::hint::black_box(render(&product, &offers));
        tally
            .nanoseconds
            .saturating_record(u64::try_from(began.elapsed().as_nanos())?);
        tally.requests += 1;
        bar.inc(1);
    }
    Ok(tally)
}

fn render(product: &Product, offers: &Offers) -> usize {
    let cheaper = offers.cheapest.iter().filter(|(_, price)| *price < product.price_cents);
    product.name.len() + cheaper.count()
}

/// Changes the products that it is told to, and tells the readers once each change is done.
async fn write(shop: Arc<Shop>, mut to_change: mpsc::Receiver<u32>) -> Result<u64, Error> {
    let mut writes = 0;
    while let Some(id) = to_change.recv().await {
        let category = category_of(id);
        let (product, offers) = (&shop.products[&id], &shop.categories[category]);
        product.begun.fetch_add(1, Ordering::AcqRel);
        offers.begun.fetch_add(1, Ordering::AcqRel);

        let price_cents = price_of(id) + i64::try_from(writes % 100)?;
        let (of_product, of_offers) = reprice(&shop.db, id, category, price_cents).await?;

        // From here on, whoever begins to read must see it.
        product.done.store(of_product, Ordering::Release);
        offers.done.store(of_offers, Ordering::Release);
        writes += 1;
    }
    Ok(writes)
}

// ---- The database ----------------------------------------------------------------------------------------------

const CATEGORIES: [&str; 16] = [
    "audio", "bags", "bikes", "books", "cameras", "coffee", "games", "garden", "knives", "lamps", "music", "paper",
    "phones", "shoes", "tools", "toys",
];

fn category_of(id: u32) -> &'static str {
    CATEGORIES[id as usize % CATEGORIES.len()]
}

fn price_of(id: u32) -> i64 {
    i64::from(id.wrapping_mul(2_654_435_761) % 50_000) + 99
}

/// A folder for the database, gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let path = std::env::temp_dir().join(format!("product_page-{}-{now}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

async fn open(folder: &Path, readers: usize) -> Result<SqlitePool, Error> {
    let file = SqliteConnectOptions::new()
        .filename(folder.join("shop.sqlite"))
        .create_if_missing(true)
        // Readers and the writer do not wait for each other, and readers see what was committed when they began.
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(30));
    // A connection is a thread: one for each reader and one for the writer, within reason.
    let connections = u32::try_from(readers + 1)?.min(32);
    Ok(SqlitePoolOptions::new()
        .max_connections(connections)
        .connect_with(file)
        .await?)
}

/// Inserts all products of the trace and their categories, in one transaction.
async fn fill(db: &SqlitePool, ids: &BTreeSet<u32>) -> Result<(), sqlx::Error> {
    let mut transaction = db.begin().await?;
    for statement in [
        "CREATE TABLE categories (name TEXT PRIMARY KEY, version INTEGER NOT NULL)",
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL REFERENCES categories,
         price_cents INTEGER NOT NULL, version INTEGER NOT NULL)",
        "CREATE INDEX offers ON products (category, price_cents)",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    for category in CATEGORIES {
        sqlx::query("INSERT INTO categories VALUES (?, 0)")
            .bind(category)
            .execute(&mut *transaction)
            .await?;
    }
    for &id in ids {
        sqlx::query("INSERT INTO products VALUES (?, ?, ?, ?, 0)")
            .bind(id)
            .bind(format!("Product {id}"))
            .bind(category_of(id))
            .bind(price_of(id))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

/// The first requests of the trace: 4-byte big-endian numbers, one for each access.
fn read_trace(limit: Option<usize>) -> Result<Vec<u32>, Error> {
    const TRACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/web12.trace");
    let bytes = std::fs::read(TRACE).map_err(|error| format!("cannot read {TRACE}: {error}"))?;
    let (accesses, rest) = bytes.as_chunks::<4>();
    if accesses.is_empty() || !rest.is_empty() {
        return Err(format!("{TRACE} is not a sequence of 4-byte numbers").into());
    }
    let count = limit.unwrap_or(accesses.len());
    if count > accesses.len() {
        return Err(format!("`--requests {count}`: the trace has {} only", accesses.len()).into());
    }
    Ok(accesses[..count]
        .iter()
        .map(|access| u32::from_be_bytes(*access))
        .collect())
}

// ---- The command line and the report ---------------------------------------------------------------------------

const USAGE: &str = "\
Plays a recorded day of a product page against an SQLite database, with and without the cache.

usage: product_page [--every N] [--readers N] [--requests N]

  --every N     change the current product every N requests  [50]
  --readers N   concurrent readers, 1024 at most             [8]
  --requests N  play the first N requests only               [all 95,607]
  --help        show this";

struct Options {
    every: usize,
    readers: usize,
    requests: Option<usize>,
}

/// `None` if help is asked for.
fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
    let mut options = Options {
        every: 50,
        readers: 8,
        requests: None,
    };
    while let Some(argument) = arguments.next() {
        let option = argument.to_string_lossy();
        if matches!(&*option, "--help" | "-h") {
            return Ok(None);
        }
        if !matches!(&*option, "--every" | "--readers" | "--requests") {
            return Err(format!(
                "unknown option `{option}`; there are --every, --readers, --requests and --help"
            ));
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("`{option}` needs a number after it"))?;
        let number = value
            .to_str()
            .and_then(|value| value.parse().ok())
            .filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            format!(
                "`{option}` needs a whole number of 1 or more, and `{}` is none",
                value.to_string_lossy()
            )
        })?;
        match &*option {
            "--every" => options.every = number,
            "--readers" if number > 1024 => return Err(format!("`--readers {number}` is more than 1024")),
            "--readers" => options.readers = number,
            _ => options.requests = Some(number),
        }
    }
    Ok(Some(options))
}

/// A bar on a terminal, nothing elsewhere.
fn progress(name: &'static str, requests: usize) -> Result<ProgressBar, Error> {
    let style = ProgressStyle::with_template("{prefix:<18} {wide_bar} {human_pos}/{human_len} {elapsed}")?;
    Ok(ProgressBar::new(requests as u64).with_prefix(name).with_style(style))
}

/// Both ways, and the table. Returns whether no read was stale.
async fn compare(shop: &Arc<Shop>, options: &Options) -> Result<bool, Error> {
    let bar = progress("with the cache", shop.requests.len())?;
    let with = play(shop, options, Way::Cached, &bar).await?;
    bar.finish_and_clear();
    let (products, offers) = (get_product::stats(), list_offers::stats());

    let bar = progress("without the cache", shop.requests.len())?;
    let without = play(shop, options, Way::Uncached, &bar).await?;
    bar.finish_and_clear();

    let count = |number: u64| HumanCount(number).to_string();
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let seconds = |took: Duration| format!("{:.2}", took.as_secs_f64());
    let none = || "-".to_owned();
    let rows = [
        ("", "cached".to_owned(), "uncached".to_owned()),
        ("requests", count(with.requests), count(without.requests)),
        ("writes", count(with.writes), count(without.writes)),
        ("product loads", count(products.loads), count(without.requests)),
        ("product hit ratio", percent(products.hit_rate()), none()),
        ("product loads shared (coalesced)", count(products.coalesced), none()),
        ("offer loads", count(offers.loads), count(without.requests)),
        ("offer hit ratio", percent(offers.hit_rate()), none()),
        ("offer loads shared (coalesced)", count(offers.coalesced), none()),
        (
            "reads that met a write",
            count(with.met_a_write),
            count(without.met_a_write),
        ),
        ("stale reads", count(with.stale), count(without.stale)),
        ("p50 of a page, µs", with.microseconds(0.5), without.microseconds(0.5)),
        ("p99 of a page, µs", with.microseconds(0.99), without.microseconds(0.99)),
        ("all requests, s", seconds(with.took), seconds(without.took)),
    ];
    println!();
    for (what, with, without) in rows {
        println!("{what:<34}{with:>12}{without:>12}");
    }
    Ok(with.stale + without.stale == 0)
}

async fn run(options: &Options) -> Result<bool, Error> {
    let requests = read_trace(options.requests)?;
    let ids: BTreeSet<u32> = requests.iter().copied().collect();
    println!(
        "requests: {}, products: {}, readers: {}, a write every {}; all of it twice, a page being two reads",
        HumanCount(requests.len() as u64),
        HumanCount(ids.len() as u64),
        options.readers,
        options.every,
    );
    let folder = Folder::new()?;
    let db = open(&folder.0, options.readers).await?;
    fill(&db, &ids).await?;
    let shop = Arc::new(Shop {
        db: db.clone(),
        requests,
        products: ids.into_iter().map(|id| (id, Truth::default())).collect(),
        categories: CATEGORIES.map(|category| (category, Truth::default())).into(),
    });
    let outcome = compare(&shop, options).await;
    // Before its folder goes.
    db.close().await;
    outcome
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: stale reads: a value was served that was older than a change which had ended");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
