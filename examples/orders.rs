//! Payments by clients that lose patience and workers that die, and a ledger that balances all the same.
//!
//! Three workers take orders. Each order has a key, and its client sends it four times, to whichever worker. One order is sent with another
//! amount under a used key. Then workers die on purpose: one before it has paid, one after. Who ran, who replayed and who was refused is
//! printed, and the ledger, in which every order stands once.
//!
//! In memory, which is the default, a worker is a thread with a runtime of its own, and its death the end of that runtime. What a worker that
//! died has done is not known, so a repeat is refused, somebody looks at the ledger, and lets it run again if it is not there.
//!
//! With a Postgres, that of `DATABASE_URL`, or one that `--postgres` starts and throws away, a worker is a process that aborts, and the
//! handler pays in the transaction of its claim. There is nothing to look up: what was not committed has not happened.
//!
//! `cargo run --release --example orders -- --help`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

#[path = "orders/in_memory.rs"]
mod in_memory;
#[path = "orders/in_postgres.rs"]
mod in_postgres;
#[path = "orders/ledger.rs"]
mod ledger;
#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::error::Error;
use std::process::ExitCode;

use cache_core::idempotency::{IdempotencyError, Outcome};
use serde::{Deserialize, Serialize};

const HELP: &str = "\
cargo run --release --example orders -- [--postgres]

  --postgres   keep orders in a Postgres that is started for this and thrown away
  DATABASE_URL keep them in that database, in a schema of our own that is dropped at the end";

/// What a client wants.
#[derive(Debug, Clone, Serialize)]
struct Order {
    key: String,
    customer: u32,
    cents: i64,
}

/// What he gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Receipt {
    number: i64,
    cents: i64,
}

#[derive(Debug, thiserror::Error)]
enum PayError {
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error("the ledger cannot be written to: {0}")]
    Ledger(#[from] sqlx::Error),
}

/// Where a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    BeforeItPays,
    AfterItPaid,
}

/// What a client was told, in a word and the number of the receipt.
fn told(result: &Result<Outcome<Receipt>, PayError>) -> String {
    match result {
        Ok(Outcome::Fresh(receipt)) => format!("ran, receipt {}", receipt.number),
        Ok(Outcome::Replayed(receipt)) => format!("replayed {}", receipt.number),
        Err(PayError::Idempotency(IdempotencyError::Conflict { .. })) => "refused: another amount".to_owned(),
        Err(PayError::Idempotency(IdempotencyError::Abandoned { .. })) => "refused: its worker died".to_owned(),
        Err(error) => format!("failed: {error}"),
    }
}

/// The orders that are sent four times each.
fn orders() -> Vec<Order> {
    (1..=8)
        .map(|number| Order {
            key: format!("order-{number}"),
            customer: 1 + number % 3,
            cents: i64::from(1_000 + 111 * number),
        })
        .collect()
}

/// The order whose worker dies.
fn doomed(death: Death) -> Order {
    let (key, cents) = match death {
        Death::BeforeItPays => ("order-9", 9_000),
        Death::AfterItPaid => ("order-10", 10_000),
    };
    Order {
        key: key.to_owned(),
        customer: 2,
        cents,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done: Result<(), Box<dyn Error>> = match (arguments.as_slice(), std::env::var("DATABASE_URL")) {
        (["--help" | "-h"], _) => {
            println!("{HELP}");
            Ok(())
        }
        // One of our own, started by what follows.
        ([in_postgres::WORKER, name, url], _) => in_postgres::work(name, url),
        ([], Err(_)) => in_memory::run(),
        ([], Ok(url)) => in_postgres::run(Some(&url)),
        (["--postgres"], _) => in_postgres::run(None),
        (other, _) => Err(format!("`{}` is not understood\n\n{HELP}", other.join(" ")).into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orders: {error}");
            ExitCode::FAILURE
        }
    }
}
