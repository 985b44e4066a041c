//! A service that is slow and fails, and what each option of `#[cached_ttl]` makes of it.
//!
//! An HTTP service on a loopback port follows a script: fast, slow, fast, down, flaky, fast. One function asks it, once without a
//! cache, once with a plain TTL, and once with each option. All get the same requests at the same times, each with a service
//! of its own, and all at once. What the callers had of it is printed as tables and drawn as an SVG.
//!
//! `cargo run --release --example flaky_upstream -- --help`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts and pixels are small, and figures are rounded"
)]

#[path = "flaky_upstream/findings.rs"]
mod findings;
#[path = "flaky_upstream/plot.rs"]
mod plot;
#[path = "flaky_upstream/report.rs"]
mod report;
#[path = "flaky_upstream/traffic.rs"]
mod traffic;
#[path = "flaky_upstream/upstream.rs"]
mod upstream;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Stats, cached_ttl};
use futures::FutureExt as _;
use tokio::task::JoinSet;

use report::Report;
use traffic::{Variant, play, schedule};
use upstream::{Answer, Item, Script, Upstream};

// ---- The function, with each option ----------------------------------------------------------------------------

pub(crate) const ERR_TTL: Duration = Duration::from_secs(1);
pub(crate) const LOAD_TIMEOUT: Duration = Duration::from_millis(150);
/// After which a caller goes away, in the last two variants.
const PATIENCE: Duration = Duration::from_millis(150);

async fn uncached(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// An item that is older is loaded anew, and who asks for it then waits.
#[cached_ttl(ttl = "500ms", skip(upstream))]
async fn plain(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// For a second more, who asks gets the old item at once, while a new one is loaded in the background.
#[cached_ttl(ttl = "500ms", stale_while_revalidate = "1s", skip(upstream))]
async fn revalidated(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// When a load fails, the old item serves, and the next load is tried a second later.
#[cached_ttl(ttl = "500ms", stale_if_error = "5m", skip(upstream))]
async fn covered(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// Who asks in the second half of the TTL has a new item loaded in the background, so that what is in use does not expire.
#[cached_ttl(ttl = "500ms", refresh_ahead = 0.5, skip(upstream))]
async fn ahead(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// Items live between 250 and 500 ms, so that those which came together do not go together.
#[cached_ttl(ttl = "500ms", jitter = 0.5, skip(upstream))]
async fn spread(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// Each item says for how long it is good.
#[cached_ttl(ttl_fn = |item: &Item| item.good_for, skip(upstream))]
async fn told(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// That there is no such item is kept for a second, and so is every other error.
#[cached_ttl(ttl = "500ms", err_ttl = ERR_TTL, skip(upstream))]
async fn negative(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// Who has waited for 100 ms takes the old item, and the load goes on.
#[cached_ttl(ttl = "500ms", stale_if_error = "5m", soft_timeout = "100ms", skip(upstream))]
async fn hurried(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// Who has waited for 150 ms gets an error, and the load goes on.
#[cached_ttl(ttl = "500ms", load_timeout = LOAD_TIMEOUT, skip(upstream))]
async fn limited(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// As [`plain`], for callers that give up.
#[cached_ttl(ttl = "500ms", skip(upstream))]
async fn given_up(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// A load goes on when its caller goes away.
#[cached_ttl(ttl = "500ms", detached, skip(upstream))]
async fn detached(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

/// Several of them together.
#[cached_ttl(
    ttl = "500ms",
    jitter = 0.1,
    stale_while_revalidate = "1s",
    stale_if_error = "5m",
    soft_timeout = "100ms",
    skip(upstream)
)]
async fn together(upstream: &Arc<Upstream>, id: u32) -> Answer {
    upstream.get(id).await
}

macro_rules! variant {
    ($name:literal, $function:ident, $attribute:literal $(, $patience:ident)?) => {
        Variant {
            name: $name,
            attribute: $attribute,
            call: |upstream, id| async move { $function(&upstream, id).await }.boxed(),
            stats: $function::stats,
            patience: variant!($($patience)?),
        }
    };
    () => { None };
    ($patience:ident) => { Some($patience) };
}

static VARIANTS: [Variant; 13] = [
    Variant {
        name: "no cache",
        attribute: "no cache",
        call: |upstream, id| async move { uncached(&upstream, id).await }.boxed(),
        stats: Stats::default,
        patience: None,
    },
    variant!("ttl", plain, r#"ttl = "500ms""#),
    variant!(
        "stale_while_revalidate",
        revalidated,
        r#"ttl = "500ms", stale_while_revalidate = "1s""#
    ),
    variant!("stale_if_error", covered, r#"ttl = "500ms", stale_if_error = "5m""#),
    variant!("refresh_ahead", ahead, r#"ttl = "500ms", refresh_ahead = 0.5"#),
    variant!("jitter", spread, r#"ttl = "500ms", jitter = 0.5"#),
    variant!("ttl_fn", told, "ttl_fn = |item| item.good_for"),
    variant!("err_ttl", negative, r#"ttl = "500ms", err_ttl = "1s""#),
    variant!(
        "soft_timeout",
        hurried,
        r#"ttl = "500ms", stale_if_error = "5m", soft_timeout = "100ms""#
    ),
    variant!("load_timeout", limited, r#"ttl = "500ms", load_timeout = "150ms""#),
    variant!(
        "ttl, callers give up",
        given_up,
        r#"ttl = "500ms"; callers give up after 150 ms"#,
        PATIENCE
    ),
    variant!(
        "detached, callers give up",
        detached,
        r#"ttl = "500ms", detached; callers give up after 150 ms"#,
        PATIENCE
    ),
    variant!(
        "together",
        together,
        "jitter, stale_while_revalidate, stale_if_error and soft_timeout together"
    ),
];

// ---- The command line ------------------------------------------------------------------------------------------

const USAGE: &str = "\
Calls a service that is slow and fails, with and without each option of the cache.

usage: flaky_upstream [--seconds N] [--seed N] [--out PATH]

  --seconds N   how long it takes, 6 to 120  [12]
  --seed N      what chance depends on       [7]
  --out PATH    where the SVG goes           [flaky_upstream.svg in the folder for temporary files]
  --help        show this";

struct Options {
    seconds: u64,
    seed: u64,
    out: PathBuf,
}

/// `None` if help is asked for.
fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
    let mut options = Options {
        seconds: 12,
        seed: 7,
        out: std::env::temp_dir().join("flaky_upstream.svg"),
    };
    while let Some(argument) = arguments.next() {
        let option = argument.to_string_lossy();
        if matches!(&*option, "--help" | "-h") {
            return Ok(None);
        }
        if !matches!(&*option, "--seconds" | "--seed" | "--out") {
            return Err(format!(
                "unknown option `{option}`; there are --seconds, --seed, --out and --help"
            ));
        }
        let value = arguments
            .next()
            .ok_or_else(|| format!("`{option}` needs something after it"))?;
        if option == "--out" {
            options.out = value.into();
            continue;
        }
        let number = value.to_str().and_then(|value| value.parse().ok());
        match (&*option, number) {
            ("--seconds", Some(seconds @ 6..=120)) => options.seconds = seconds,
            ("--seed", Some(seed)) => options.seed = seed,
            ("--seed", None) => return Err("`--seed` needs a whole number".to_owned()),
            _ => return Err("`--seconds` needs a whole number from 6 to 120".to_owned()),
        }
    }
    Ok(Some(options))
}

async fn run(options: &Options) -> Result<bool, String> {
    // Before anything else, because it would be a pity afterwards.
    writable(&options.out)?;
    let script = Script::new(options.seed, Duration::from_secs(options.seconds));
    let requests: Arc<[_]> = schedule(&script).into();
    println!(
        "seed {}; {} ways to ask, {} requests each, at the same times; a service for each, and all of these are",
        script.seed,
        VARIANTS.len(),
        requests.len()
    );
    for phase in &script.phases {
        println!(
            "  {:4.1} - {:4.1} s  {}",
            phase.from.as_secs_f64(),
            phase.until.as_secs_f64(),
            phase.mood
        );
    }

    let script = Arc::new(script);
    // Once all of them listen.
    let begun = Instant::now() + Duration::from_millis(100);
    let mut players = JoinSet::new();
    for (number, variant) in VARIANTS.iter().enumerate() {
        let upstream = Upstream::start(&script, begun).await?;
        let play = play(variant, upstream, Arc::clone(&requests), begun);
        players.spawn(async move { (number, play.await) });
    }
    let mut runs = Vec::new();
    while let Some(played) = players.join_next().await {
        let (number, run) = played.map_err(|error| error.to_string())?;
        runs.push((number, run?));
    }
    runs.sort_by_key(|(number, _)| *number);
    let report = Report {
        script,
        runs: runs.into_iter().map(|(_, run)| run).collect(),
    };
    report.print_totals();
    report.print_phases();
    let holds = findings::print(&report);
    let svg = plot::draw(&report).map_err(|error| format!("cannot draw: {error}"))?;
    fs::write(&options.out, svg).map_err(|error| cannot_write(&options.out, &error))?;
    println!("\nlatency and failures over time: {}", options.out.display());
    Ok(holds)
}

fn writable(path: &Path) -> Result<(), String> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map(drop).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}; say `--out PATH`", path.display())
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
            eprintln!("error: something does not hold that has to, see above");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
