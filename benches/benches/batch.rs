//! What it costs to load many keys through batches, beside loading each by itself, and what many keys in one pass cost, beside a
//! loop.
//!
//! Not timed by criterion: a round needs an empty cache, and the making of that is no part of it. All is done by one task of a
//! tokio runtime on one thread, which runs the tasks of the batches as well. That all values came, and in how many calls,
//! is asserted.

use std::cell::Cell;
use std::error::Error;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_benches::isolated;
use cache_benches::table::Table;
use cache_core::{Batched, Cache};
use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};

const KEYS: u64 = 1_000;
const ROUNDS: usize = 201;
/// What a call of the body costs beside nothing.
const COST: Duration = Duration::from_micros(10);

/// The calls of a body, and what each costs.
#[derive(Clone, Default)]
struct Source {
    calls: Arc<AtomicU64>,
    cost: Duration,
}

impl Source {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        while !self.cost.is_zero() && began.elapsed() < self.cost {
            spin_loop();
        }
    }

    fn batched(&self, cache: &Cache<u64, u64>, max_batch: usize) -> Batched<u64, u64, String> {
        let source = self.clone();
        cache.batched(Duration::ZERO, max_batch, move |keys: Vec<u64>| {
            source.call();
            async move { Ok(keys.into_iter().map(|key| (key, key + 1)).collect::<Vec<_>>()) }
        })
    }
}

fn cache() -> Cache<u64, u64> {
    Cache::builder()
        .max_size(2 * usize::try_from(KEYS).expect("a small number"))
        .build()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

type Way = (&'static str, u64, fn(&Runtime, &Cache<u64, u64>, &Source) -> u64);

/// With how many calls each makes do. They add up what they got.
const WAYS: [Way; 5] = [
    ("Cache::get_or_load, one by one", KEYS, |runtime, cache, source| {
        runtime.block_on(async {
            let mut sum = 0;
            for key in 0..KEYS {
                sum += cache.get_or_load(key, || one(source, key)).await;
            }
            sum
        })
    }),
    ("Cache::get_or_load, all at once", KEYS, |runtime, cache, source| {
        let all = (0..KEYS).map(|key| cache.get_or_load(key, move || one(source, key)));
        runtime.block_on(join_all(all)).into_iter().sum()
    }),
    (
        "Batched::get, all at once, batches of 100",
        KEYS / 100,
        |runtime, cache, source| {
            let batched = source.batched(cache, 100);
            let all = (0..KEYS).map(|key| batched.get(key));
            runtime.block_on(join_all(all)).into_iter().map(found).sum()
        },
    ),
    (
        "Batched::get_many, batches of 100",
        KEYS / 100,
        |runtime, cache, source| {
            let batched = source.batched(cache, 100);
            let all = runtime.block_on(batched.get_many(0..KEYS)).expect("none fails");
            all.into_values().sum()
        },
    ),
    ("Batched::get_many, one batch", 1, |runtime, cache, source| {
        let batched = source.batched(cache, 1_000);
        let all = runtime.block_on(batched.get_many(0..KEYS)).expect("none fails");
        all.into_values().sum()
    }),
];

#[expect(clippy::unused_async, reason = "what a load of one key is")]
async fn one(source: &Source, key: u64) -> u64 {
    source.call();
    key + 1
}

fn found(found: Result<Option<u64>, String>) -> u64 {
    found.expect("none fails").expect("there is one for each")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// The median of the rounds, in microseconds.
fn load(name: &str, cost: Duration) -> Result<f64, Box<dyn Error>> {
    let way = WAYS.iter().find(|way| way.0 == name);
    let (_, calls, run) = way.ok_or_else(|| format!("there is no `{name}`"))?;
    let runtime = runtime();
    let round = || {
        let source = Source {
            cost,
            ..Source::default()
        };
        let cache = cache();
        let began = Instant::now();
        let sum = run(&runtime, &cache, &source);
        let took = began.elapsed();
        assert_eq!(sum, KEYS * (KEYS + 1) / 2, "`{name}`");
        assert_eq!(source.calls.load(Ordering::Relaxed), *calls, "`{name}`");
        assert_eq!(cache.len() as u64, KEYS, "`{name}`");
        took
    };
    round();
    Ok(median((0..ROUNDS).map(|_| round()).collect()))
}

fn loads() -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new(&[
        ("calls of 10 µs, µs", 0),
        ("calls that cost nothing, µs", 0),
        ("calls", 0),
    ]);
    for (name, calls, _) in WAYS {
        let time = |cost: Duration| isolated::run(&["load", name, &cost.as_micros().to_string()]);
        let (dear, free): (f64, f64) = (time(COST)?, time(Duration::ZERO)?);
        #[expect(clippy::cast_precision_loss, reason = "a thousand at most")]
        table.push(name, [dear, free, calls as f64].map(Some));
    }
    Ok(table)
}

const VERBS: [&str; 3] = ["insert", "get", "invalidate"];

/// Nanoseconds for a key: in one pass, or in a loop.
fn pass(verb: &str, in_one: bool) -> Result<f64, Box<dyn Error>> {
    let runtime = runtime();
    let keys: Vec<u64> = (0..KEYS).collect();
    let (times, sum) = (Cell::new(Vec::new()), Cell::new(0));
    for _ in 0..=ROUNDS {
        let cache = cache();
        let put = || runtime.block_on(cache.insert_many(keys.iter().map(|key| (*key, *key))));
        if verb != "insert" {
            put();
        }
        let began = Instant::now();
        match (verb, in_one) {
            ("insert", true) => put(),
            ("insert", false) => runtime.block_on(async {
                for key in &keys {
                    cache.insert(*key, *key).await;
                }
            }),
            ("get", true) => sum.set(cache.get_many(&keys).into_iter().flatten().sum()),
            ("get", false) => sum.set(keys.iter().filter_map(|key| cache.get(key)).sum()),
            ("invalidate", true) => sum.set(runtime.block_on(cache.invalidate_many(&keys)) as u64),
            ("invalidate", false) => runtime.block_on(async {
                let mut evicted = 0;
                for key in &keys {
                    evicted += u64::from(cache.invalidate(key).await);
                }
                sum.set(evicted);
            }),
            _ => return Err(format!("there is no `{verb}`").into()),
        }
        let took = began.elapsed();
        let expected = match verb {
            "get" => KEYS * (KEYS - 1) / 2,
            "invalidate" => KEYS,
            _ => 0,
        };
        assert_eq!(sum.get(), expected, "{verb}");
        assert_eq!(cache.is_empty(), verb == "invalidate");
        let mut all = times.take();
        all.push(took);
        times.set(all);
    }
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    Ok(median(times.take()) * 1e3 / KEYS as f64)
}

fn passes() -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new(&[
        ("in one pass, ns a key", 0),
        ("in a loop, ns a key", 0),
        ("loop over pass", 2),
    ]);
    for verb in VERBS {
        let time = |in_one: bool| isolated::run(&["pass", verb, &in_one.to_string()]);
        let (pass, each): (f64, f64) = (time(true)?, time(false)?);
        table.push(&format!("{verb}_many"), [pass, each, each / pass].map(Some));
    }
    Ok(table)
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(what) = isolated::asked_for() {
        let what: Vec<&str> = what.iter().map(String::as_str).collect();
        return match what[..] {
            ["load", name, micros] => isolated::answer(&load(name, Duration::from_micros(micros.parse()?))?),
            ["pass", verb, in_one] => isolated::answer(&pass(verb, in_one.parse()?)?),
            _ => Err("usage: batch --alone load NAME MICROSECONDS, or pass VERB IN_ONE".into()),
        };
    }
    let loads = loads()?;
    loads.save("loading 1000 keys")?;
    eprintln!("loading 1,000 keys\n\n{loads}");

    let passes = passes()?;
    passes.save("1000 keys in one pass")?;
    eprintln!("1,000 keys in one pass\n\n{passes}");
    Ok(())
}
