//! How often real accesses hit, and that it is as often as the policy promises. Not timed.
//!
//! Plays traces through annotated functions, by one thread, and counts how often the body ran. Beside them, on the
//! same accesses: an exact LRU (`hashlink`), which nobody who claims LRU should stray from, and moka with `tiny_lfu`,
//! told after each insert to do at once what it puts off. Fails if `#[cached_lru]` is more than 0.3 points of a per
//! cent away from the exact LRU, or with `tiny_lfu` more than 0.3 points below moka. What that policy keeps depends on
//! the seed of the hashes, by some tenths of a point, so that both are means of five caches.
//!
//! The trace `web12` is in the repository. Others are played too if `TRACES` names their files, with colons between
//! them: unpacked, a sequence of 4-byte big-endian numbers, one for each access.

use std::cell::Cell;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cache_benches::once::poll_once;
use cache_benches::table::Table;
use cache_core::cached_lru;
use hashlink::LruCache;
use moka::policy::EvictionPolicy;

/// In the folder of this package.
const WEB12: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/web12.trace");
/// By how many points of a per cent a ratio may miss what it is compared with.
const TOLERANCE: f64 = 0.3;

thread_local! {
    /// How often an annotated function loaded.
    static LOADS: Cell<usize> = const { Cell::new(0) };
}

/// A cached function and how its cache is cleared.
type Function = (fn(u32) -> u32, fn());

/// The functions of one capacity.
struct Functions {
    capacity: usize,
    lru: Function,
    tiny_lfu: [Function; 5],
}

/// A function for each use: capacity and policy are constants, and so is the seed of a cache.
macro_rules! function {
    ($capacity:literal, $policy:tt) => {{
        #[cached_lru(max_size = $capacity, policy = $policy)]
        async fn function(id: u32) -> u32 {
            LOADS.set(LOADS.get() + 1);
            id
        }
        (|id| poll_once(function(id)), || poll_once(function::clear()))
    }};
}

macro_rules! functions {
    ($capacity:literal) => {
        Functions {
            capacity: $capacity,
            lru: function!($capacity, "lru"),
            tiny_lfu: [
                function!($capacity, "tiny_lfu"),
                function!($capacity, "tiny_lfu"),
                function!($capacity, "tiny_lfu"),
                function!($capacity, "tiny_lfu"),
                function!($capacity, "tiny_lfu"),
            ],
        }
    };
}

fn read(path: &Path) -> Result<Vec<u32>, Box<dyn Error>> {
    let name = path.display();
    if path.extension().is_some_and(|extension| extension == "xz") {
        return Err(format!("unpack it first: xz -dk {name}").into());
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let (accesses, rest) = bytes.as_chunks::<4>();
    if accesses.is_empty() || !rest.is_empty() {
        return Err(format!("{name} is not a sequence of 4-byte numbers").into());
    }
    Ok(accesses.iter().map(|access| u32::from_be_bytes(*access)).collect())
}

/// Of all accesses, those that hit, in per cent.
fn ratio(trace: &[u32], mut hit: impl FnMut(u32) -> bool) -> f64 {
    let hits = trace.iter().filter(|id| hit(**id)).count();
    #[expect(clippy::cast_precision_loss, reason = "a trace is short enough")]
    {
        100.0 * hits as f64 / trace.len() as f64
    }
}

fn of_function(trace: &[u32], (function, clear): Function) -> f64 {
    // Another trace may have been here.
    clear();
    ratio(trace, |id| {
        let before = LOADS.get();
        assert_eq!(function(id), id);
        LOADS.get() == before
    })
}

fn of_exact_lru(trace: &[u32], capacity: usize) -> f64 {
    let mut cache = LruCache::new(capacity);
    ratio(trace, |id| {
        let hit = cache.get(&id).is_some();
        if !hit {
            cache.insert(id, id);
        }
        hit
    })
}

fn of_moka(trace: &[u32], capacity: usize) -> f64 {
    let cache = moka::sync::Cache::builder()
        .max_capacity(capacity as u64)
        .eviction_policy(EvictionPolicy::tiny_lfu())
        .build();
    ratio(trace, |id| {
        let hit = cache.get(&id).is_some();
        if !hit {
            cache.insert(id, id);
            cache.run_pending_tasks();
        }
        hit
    })
}

/// The ratios of exact LRU, `#[cached_lru]`, the same with `tiny_lfu`, and moka.
fn play(trace: &[u32], functions: &Functions) -> [f64; 4] {
    let mean = |ratios: [f64; 5]| ratios.iter().sum::<f64>() / 5.0;
    [
        of_exact_lru(trace, functions.capacity),
        of_function(trace, functions.lru),
        mean(functions.tiny_lfu.map(|function| of_function(trace, function))),
        mean([(); 5].map(|()| of_moka(trace, functions.capacity))),
    ]
}

/// Plays a trace at all capacities, and tells what misses its mark.
fn play_all(path: &Path, all: &[Functions], table: &mut Table) -> Result<Vec<String>, Box<dyn Error>> {
    let trace = &read(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut missed = Vec::new();
    for functions in all {
        let ratios = play(trace, functions);
        let [exact, lru, tiny_lfu, moka] = ratios;
        let what = format!("{name}, {} entries", functions.capacity);
        if (lru - exact).abs() > TOLERANCE {
            missed.push(format!(
                "{what}: {lru:.2} % hit with `#[cached_lru]`, {exact:.2} % with an exact LRU"
            ));
        }
        if tiny_lfu < moka - TOLERANCE {
            missed.push(format!(
                "{what}: {tiny_lfu:.2} % hit with `tiny_lfu`, {moka:.2} % with moka"
            ));
        }
        table.push(&what, ratios.map(Some));
    }
    Ok(missed)
}

fn run() -> Result<bool, Box<dyn Error>> {
    let all = [
        functions!(128),
        functions!(512),
        functions!(1000),
        functions!(2000),
        functions!(4000),
    ];
    let mut traces = vec![PathBuf::from(WEB12)];
    if let Some(more) = std::env::var_os("TRACES") {
        traces.extend(std::env::split_paths(&more));
    }
    let mut table = Table::new(&[
        ("exact LRU, %", 2),
        ("`#[cached_lru]`, %", 2),
        (r#"`#[cached_lru(policy = "tiny_lfu")]`, %"#, 2),
        ("moka TinyLFU, %", 2),
    ]);
    let mut missed = Vec::new();
    for trace in &traces {
        missed.extend(play_all(trace, &all, &mut table)?);
    }
    table.save("hit ratio")?;
    eprint!("{table}");
    for missed in &missed {
        eprintln!("error: {missed}");
    }
    Ok(missed.is_empty())
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
