//! A summary that takes twenty queries to build, kept for as long as its eleven tables stay as they are, beside a tail of events that
//! changes all the time.
//!
//! The database is a real Postgres: that of `DATABASE_URL`, in which the example makes a schema of its own and drops it at the
//! end, or a server that is started for this and thrown away. First each kind of request by itself, with the queries it ran, counted
//! where the driver sends them; then a service under load while a writer works. Each in ask mode, in which a request asks for the
//! revision of its tables, and in push mode, in which a listener knows it; and the scheme that this replaces, which asked
//! each table for its latest change.
//!
//! `cargo run --release --example state_summary -- --help`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

#[path = "state_summary/count.rs"]
mod count;
#[path = "state_summary/db.rs"]
mod db;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "state_summary/report.rs"]
mod report;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cache_core::cached_revision;
use cache_core::postgres::{Listen, Revisions, TableRevisions};
use cache_core::revision::{Lookup, Status};

use db::{CORE, Core, Db, DbError, Event, TAIL};
use report::{Report, Request};

// ---- The two sections ------------------------------------------------------------------------------------------

/// Built by twenty queries, and so not while somebody waits, if it can be helped.
#[cached_revision(revision = now.of(CORE), on_change = "stale", max_stale = "300s", skip(db, now))]
async fn summary_core(db: &Db, now: &TableRevisions) -> Result<Arc<Core>, DbError> {
    let _ = now;
    db.core().await
}

/// One query, and always of now.
#[cached_revision(revision = now.of(TAIL), on_change = "reload", max_stale = "300s", skip(db, now))]
async fn recent_progress(db: &Db, now: &TableRevisions) -> Result<Arc<Vec<Event>>, DbError> {
    let _ = now;
    db.tail().await
}

/// Both, at one revision of all tables, which is read once: in ask mode the only query of a hit.
async fn state_summary(db: &Db) -> Result<(Lookup<Arc<Core>>, Lookup<Arc<Vec<Event>>>), DbError> {
    let now = db.revision().await?;
    let core = summary_core::lookup(db, &now).await?;
    let tail = recent_progress::lookup(db, &now).await?;
    Ok((core, tail))
}

// ---- Requests --------------------------------------------------------------------------------------------------

/// A request, how it went, and what it cost.
async fn request(db: &Db, mode: Mode) -> Result<Request, DbError> {
    let (db, counted) = db.of_request();
    let began = Instant::now();
    let (core, tail) = match mode {
        Mode::Watermarks if db.by_watermarks().await? => (Status::HitRevision, Status::Reloaded),
        Mode::Watermarks => (Status::Reloaded, Status::Reloaded),
        Mode::Ask | Mode::Push => {
            let (core, tail) = state_summary(&db).await?;
            (core.status, tail.status)
        }
    };
    Ok(Request {
        core,
        tail,
        took: began.elapsed(),
        queries: counted.queries(),
        counted,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Watermarks,
    Ask,
    Push,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Watermarks => "one watermark for each table",
            Self::Ask => "ask mode",
            Self::Push => "push mode",
        }
    }
}

/// One request of each kind, and what it must have cost.
async fn by_itself(db: &Db, mode: Mode) -> Result<(), DbError> {
    println!("\n{}\n{:-<84}", mode.name(), "");
    println!("{:44}{:>8}{:>10}{:>12}{:>10}", "", "queries", "ms", "core", "tail");
    let show = |what: &str, request: &Request| {
        let millis = request.took.as_secs_f64() * 1e3;
        println!(
            "{what:44}{:>8}{millis:>10.2}{:>12}{:>10}",
            request.queries, request.core, request.tail
        );
    };
    summary_core::clear().await;
    recent_progress::clear().await;
    show("the first", &request(db, mode).await?);
    // From now on the listener knows the tables; and by then it has been told of what other modes have written.
    db.add_event_and_wait("the first").await?;
    request(db, mode).await?;
    let hit = request(db, mode).await?;
    show("the next", &hit);

    db.add_event_and_wait("an event").await?;
    let event = request(db, mode).await?;
    show("after an event of progress", &event);

    let renamed = format!("renamed before {}", mode.name());
    db.rename_topic_and_wait(&renamed).await?;
    let change = request(db, mode).await?;
    show("after a change of a topic", &change);
    if mode != Mode::Watermarks {
        // The rebuild goes on behind that request.
        while summary_core::peek().is_none_or(|kept| kept.value().topic != renamed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("{:44}{:>8}", "  the rebuild that goes on behind it", change.behind());
        let after = request(db, mode).await?;
        show("after that", &after);
        let of_hit = u64::from(mode == Mode::Ask);
        assert_eq!(
            (hit.queries, after.queries),
            (of_hit, of_hit),
            "a hit asks at most for the revision"
        );
        assert_eq!(
            (event.core, event.tail),
            (Status::HitRevision, Status::Reloaded),
            "of the tail alone"
        );
        assert_eq!(
            (change.core, change.tail),
            (Status::Stale, Status::HitRevision),
            "nobody waits for the core"
        );
        assert_eq!(change.behind(), 20, "one rebuild");
        assert_eq!(after.core, Status::HitRevision, "the new value is there");
    }
    Ok(())
}

/// Requests one after the other, by several callers, while a writer works.
async fn under_load(db: &Db, mode: Mode, seconds: u64) -> Result<Report, DbError> {
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (db, stop) = (db.clone(), Arc::clone(&stop));
        async move {
            let mut turn = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                turn += 1;
                // Progress all the time, and now and then something of the core.
                match turn % 10 {
                    0 => db.rename_topic(&format!("renamed {turn}")).await?,
                    _ => db.add_event(&format!("event {turn}")).await?,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, DbError>(())
        }
    });
    let end = Instant::now() + Duration::from_secs(seconds);
    let callers = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut requests = Vec::new();
            while Instant::now() < end {
                requests.push(request(&db, mode).await?);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok::<_, DbError>(requests)
        })
    });
    let mut requests = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        requests.extend(caller.await.expect("no caller panics")?);
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.expect("the writer does not panic")?;
    Ok(Report::of(requests))
}

// ---- What is run -----------------------------------------------------------------------------------------------

const HELP: &str = "\
A summary of twelve tables, cached by their revision, while a writer works.

Usage: cargo run --release --example state_summary -- [OPTIONS]

  --seconds N   how long each mode is under load (default 3)
  --help        this text

DATABASE_URL    the Postgres to use, in which a schema `state_summary_example` is made and dropped; without it a server is
                started from the installed binaries and thrown away";

fn seconds() -> Result<u64, String> {
    let mut seconds = 3;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match &*word {
            "--help" | "-h" => {
                println!("{HELP}");
                std::process::exit(0);
            }
            "--seconds" => {
                let given = words.next().and_then(|given| given.parse().ok());
                seconds = given
                    .filter(|given| *given > 0)
                    .ok_or("--seconds takes a whole number above 0")?;
            }
            other => return Err(format!("there is no option {other}; try --help")),
        }
    }
    Ok(seconds)
}

async fn run(seconds: u64) -> Result<(), Box<dyn Error>> {
    count::install();
    let pool = db::connect().await?;
    let result = in_schema(&pool, seconds).await;
    // Whatever came of it.
    db::tear_down(&pool).await?;
    result
}

async fn in_schema(pool: &sqlx::PgPool, seconds: u64) -> Result<(), Box<dyn Error>> {
    db::set_up(pool).await?;
    let all = db::all_tables();
    let revisions = Revisions::builder().notify(true).install(pool, &all).await?;
    let listening = revisions.listen(Listen::new())?;
    let modes = [Mode::Watermarks, Mode::Ask, Mode::Push].map(|mode| {
        let revisions = if mode == Mode::Push { &listening } else { &revisions };
        (mode, Db::new(pool.clone(), revisions.clone()))
    });
    for (mode, db) in &modes {
        by_itself(db, *mode).await?;
    }
    println!(
        "\nunder load, {seconds} s each: 4 callers, and a writer that adds some 40 events a second and renames some 4 topics"
    );
    println!("{}", Report::heading());
    for (mode, db) in &modes {
        let report = under_load(db, *mode, seconds).await?;
        println!("{}", report.line(mode.name()));
    }
    if let Some(error) = summary_core::last_error().or(recent_progress::last_error()) {
        println!("the last failure that no request was told of: {error}");
    }
    Ok(())
}

fn main() -> ExitCode {
    let seconds = match seconds() {
        Ok(seconds) => seconds,
        Err(message) => {
            eprintln!("state_summary: {message}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(seconds)),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = done {
        eprintln!("state_summary: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
