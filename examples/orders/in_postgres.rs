//! Workers that are processes, with records and ledger in one Postgres.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

use cache_core::idempotency::{IdempotencyStore, Outcome, PgBackend};
use cache_core::idempotent;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool, Postgres, Row, Transaction};

use crate::ledger::{self, Entry};
use crate::{Death, Order, PayError, Receipt, doomed, orders, postgres, told};

/// As the first argument: this is one of the workers.
pub(crate) const WORKER: &str = "worker";

const LEDGER: &str = "CREATE TABLE entries (order_key text NOT NULL, account text NOT NULL, cents bigint NOT NULL); \
    CREATE SEQUENCE receipts";

#[derive(Clone)]
struct App {
    pool: PgPool,
    replay: IdempotencyStore<PgBackend>,
}

/// Runs once for each key, in a transaction that its claim and its reply are part of.
#[idempotent(store = app.replay, tx = tx, key = order.key, scope = ("shop", order.customer), payload = order, name = "orders::pay")]
async fn pay(
    app: &App,
    tx: &mut Transaction<'_, Postgres>,
    order: &Order,
    death: Option<Death>,
) -> Result<Receipt, PayError> {
    for entry in ledger::payment(order) {
        sqlx::query("INSERT INTO entries VALUES ($1, $2, $3)")
            .bind(entry.order)
            .bind(entry.account)
            .bind(entry.cents)
            .execute(&mut **tx)
            .await?;
    }
    if death == Some(Death::BeforeItPays) {
        std::process::abort();
    }
    let number = sqlx::query_scalar("SELECT nextval('receipts')")
        .fetch_one(&mut **tx)
        .await?;
    Ok(Receipt {
        number,
        cents: order.cents,
    })
}

/// A request: from the beginning of its transaction to the end.
async fn request(app: &App, order: &Order, death: Option<Death>) -> Result<Outcome<Receipt>, PayError> {
    let mut tx = app.pool.begin().await?;
    let outcome = pay::outcome(app, &mut tx, order, death).await?;
    tx.commit().await?;
    if death == Some(Death::AfterItPaid) {
        std::process::abort();
    }
    Ok(outcome)
}

/// The worker: reads orders, a line for each, and answers each with a line.
pub(crate) fn work(schema: &str, url: &str) -> Result<(), Box<dyn Error>> {
    runtime()?.block_on(async {
        let pool = connect(url, schema).await?;
        let app = App {
            replay: IdempotencyStore::new(PgBackend::new(pool.clone())),
            pool,
        };
        for line in std::io::stdin().lines() {
            let line = line?;
            let words: Vec<&str> = line.split(' ').collect();
            let [key, customer, cents, death] = words[..] else {
                return Err("an order has four words".into());
            };
            let order = Order {
                key: key.to_owned(),
                customer: customer.parse()?,
                cents: cents.parse()?,
            };
            let death = match death {
                "before" => Some(Death::BeforeItPays),
                "after" => Some(Death::AfterItPaid),
                _ => None,
            };
            println!("{}", told(&request(&app, &order, death).await));
        }
        Ok(())
    })
}

pub(crate) fn run(url: Option<&str>) -> Result<(), Box<dyn Error>> {
    let runtime = runtime()?;
    let url = match url {
        Some(url) => url.to_owned(),
        None => postgres::server().options().to_url_lossy().to_string(),
    };
    let schema = format!("orders_example_{}", std::process::id());
    let pool = runtime.block_on(connect(&url, &schema))?;
    let execute = |sql: String| runtime.block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool));
    execute(format!("CREATE SCHEMA {schema}; {LEDGER}"))?;
    runtime.block_on(PgBackend::new(pool.clone()).create_schema())?;
    let done = serve(&runtime, &pool, &schema, &url);
    execute(format!("DROP SCHEMA {schema} CASCADE"))?;
    done
}

fn serve(runtime: &tokio::runtime::Runtime, pool: &PgPool, schema: &str, url: &str) -> Result<(), Box<dyn Error>> {
    let mut workers = Vec::new();
    for name in ['A', 'B', 'C'] {
        workers.push((name, Worker::start(schema, url)?));
    }
    println!("Three processes over one Postgres. Each order is sent four times, all at once:");
    let orders = orders();
    for order in &orders {
        for attempt in 0..4 {
            let at = attempt % workers.len();
            workers[at].1.send(order, "none")?;
        }
    }
    // Each answers in the order in which it was asked.
    for order in &orders {
        let mut told_by = Vec::new();
        for attempt in 0..4 {
            let at = attempt % workers.len();
            let (name, worker) = &mut workers[at];
            told_by.push(format!("{name} {}", worker.answer()?));
        }
        println!("  {:<9} {}", order.key, told_by.join("; "));
    }
    let (_, worker) = &mut workers[0];
    let other = Order {
        cents: 1,
        ..orders[0].clone()
    };
    worker.send(&other, "none")?;
    println!("\nThe first key with another amount: {}.", worker.answer()?);

    for (death, word, when) in [
        (
            Death::BeforeItPays,
            "before",
            "after it had written to the ledger, and before it committed",
        ),
        (
            Death::AfterItPaid,
            "after",
            "after it committed, and before it answered",
        ),
    ] {
        let order = doomed(death);
        let mut dying = Worker::start(schema, url)?;
        dying.send(&order, word)?;
        println!("\nA worker died, {when}: {}", dying.dies()?);
        let (name, worker) = &mut workers[1];
        worker.send(&order, "none")?;
        println!("  a repeat of {}: {name} {}", order.key, worker.answer()?);
    }
    let rows = sqlx::query("SELECT order_key, account, cents FROM entries").fetch_all(pool);
    let rows = runtime.block_on(rows)?;
    let entries = rows.iter().map(|row| {
        Ok(Entry {
            order: row.try_get(0)?,
            account: row.try_get(1)?,
            cents: row.try_get(2)?,
        })
    });
    let entries = entries.collect::<Result<Vec<_>, sqlx::Error>>()?;
    let mut all = orders;
    all.extend([doomed(Death::BeforeItPays), doomed(Death::AfterItPaid)]);
    Ok(ledger::check(&entries, &all)?)
}

/// A worker, from outside.
struct Worker {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(schema: &str, url: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([WORKER, schema, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            orders: process.stdin.take().ok_or("it has an input")?,
            answers: BufReader::new(process.stdout.take().ok_or("it has an output")?),
            process,
        })
    }

    fn send(&mut self, order: &Order, death: &str) -> std::io::Result<()> {
        writeln!(self.orders, "{} {} {} {death}", order.key, order.customer, order.cents)
    }

    fn answer(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("a worker died that was not to".into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// How it ended, without having answered.
    fn dies(&mut self) -> Result<String, Box<dyn Error>> {
        match self.answer() {
            Ok(answer) => Err(format!("a worker was to die and answered: {answer}").into()),
            Err(_) => Ok(self.process.wait()?.to_string()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn connect(url: &str, schema: &str) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.options([("search_path", schema)]);
    PgPoolOptions::new().max_connections(4).connect_with(options).await
}

fn runtime() -> Result<tokio::runtime::Runtime, std::io::Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
