//! What inserts cost when each has to evict, and how long the worst of them takes: the pause that a service sees.
//!
//! Not timed by criterion, which knows no worst. Each insert is timed by itself, from the clock reading of the one
//! before: first while a new cache is filled to its bound, then, after as many more, while it stays full, which
//! is asserted. Each run has a process of its own, and the runs of all take turns, so that a bad moment of the machine
//! does not fall on one of them alone.
//!
//! What the thread waited for a processor that others had is not part of a pause: where the system tells how long that
//! was, it is subtracted. Pauses of the machine remain. `nothing` is the same loop around nothing; it shows these, and
//! what the clock costs, and nobody's worst is known better than that. A pause that is the cache's comes back in every
//! run, so the least worst of the runs tells more of the cache, and the median more of the machine.

mod stores;

use std::error::Error;
use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use cache_benches::isolated;
use cache_benches::scheduler;
use cache_benches::table::Table;
use serde::{Deserialize, Serialize};

use stores::{Store, Visit};

/// What caches are bounded at, and how often is inserted into them once they are full, unless it takes too long.
const BOUNDS: [(usize, usize); 3] = [(1_000, 300_000), (100_000, 300_000), (1_000_000, 2_000_000)];
const TOO_LONG: Duration = Duration::from_millis(2500);
/// Longer than filling takes.
const FOR_EVER: Duration = Duration::from_secs(3600);
const RUNS: usize = 3;

/// From here on it is asked whether the thread had to wait for a processor.
const PAUSE: Duration = Duration::from_micros(20);
/// So many inserts at most lie between two times that it is asked.
const STRETCH: usize = 1024;

/// The row that measures the measuring.
const NOTHING: &str = "nothing";

/// How long inserts took, in nanoseconds.
#[derive(Serialize, Deserialize)]
struct Times {
    median: u32,
    /// What one in ten thousand exceeds.
    rare: u32,
    worst: u32,
}

#[derive(Serialize, Deserialize)]
struct Run {
    filling: Times,
    /// None where nothing is ever evicted.
    full: Option<Times>,
}

/// Times each insert by itself.
fn time(keys: Range<usize>, limit: Duration, insert: impl Fn(u64)) -> Times {
    // Ones, so that the memory is there before the first time is written to it.
    let mut times = vec![1; keys.len()];
    let mut timed = 0;
    let end = Instant::now() + limit;
    for (times, first) in times.chunks_mut(STRETCH).zip(keys.step_by(STRETCH)) {
        let mut waited = scheduler::waited();
        let mut last = Instant::now();
        if last >= end {
            break;
        }
        timed += times.len();
        for (time, key) in times.iter_mut().zip(first..) {
            insert(key as u64);
            let now = Instant::now();
            let mut took = now - last;
            last = now;
            if took > PAUSE {
                let before = std::mem::replace(&mut waited, scheduler::waited());
                took = took.saturating_sub(waited.saturating_sub(before));
                last = Instant::now();
            }
            *time = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        }
    }
    times.truncate(timed);
    times.sort_unstable();
    let at_most = |share: usize| times[times.len() - 1 - times.len() / share];
    Times {
        median: at_most(2),
        rare: at_most(10_000),
        worst: at_most(usize::MAX),
    }
}

fn run<S: Store>(bound: usize, inserts: usize) -> Run {
    let store = S::new(bound);
    let assert_full = || {
        let len = store.len();
        let full = bound - bound / 10..=bound + bound / 10;
        assert!(full.contains(&len), "`{}` holds {len} entries of {bound}", S::NAME);
    };
    let filling = time(0..bound, FOR_EVER, |key| store.insert(key));
    store.settle();
    let full = S::BOUNDED.then(|| {
        // Keys do not fall evenly into shards: all of them have to be full.
        let full = 2 * bound;
        (bound..full).for_each(|key| store.insert(key as u64));
        assert_full();
        time(full..full + inserts, TOO_LONG, |key| store.insert(key))
    });
    if S::BOUNDED {
        assert_full();
    }
    // The process ends; to free a million entries would take its time.
    std::mem::forget(store);
    Run { filling, full }
}

fn run_nothing(bound: usize, inserts: usize) -> Run {
    let nothing = |key| {
        black_box(key);
    };
    Run {
        filling: time(0..bound, TOO_LONG, nothing),
        full: Some(time(0..inserts, TOO_LONG, nothing)),
    }
}

/// Runs the store of a name.
struct Named<'a> {
    name: &'a str,
    bound: usize,
    inserts: usize,
    run: Option<Run>,
}

impl Visit for Named<'_> {
    fn visit<S: Store>(&mut self) {
        if S::NAME == self.name {
            self.run = Some(run::<S>(self.bound, self.inserts));
        }
    }
}

fn median(mut figures: Vec<u32>) -> Option<u32> {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied()
}

/// The table of a phase, from the runs of each contestant.
fn table(names: &[&str], runs: &[Vec<Run>], phase: impl Fn(&Run) -> Option<&Times>) -> Table {
    let mut table = Table::new(&[
        ("median, ns", 0),
        ("99.99 %, µs", 1),
        ("worst, µs", 0),
        ("least worst, µs", 0),
    ]);
    for (name, runs) in names.iter().zip(runs) {
        if runs.iter().filter_map(&phase).count() == 0 {
            continue; // It is never full.
        }
        let all = |figure: fn(&Times) -> u32| runs.iter().filter_map(&phase).map(figure).collect::<Vec<_>>();
        let microseconds = |figure: u32| f64::from(figure) / 1e3;
        let cells = [
            median(all(|times| times.median)).map(f64::from),
            median(all(|times| times.rare)).map(microseconds),
            median(all(|times| times.worst)).map(microseconds),
            all(|times| times.worst).into_iter().min().map(microseconds),
        ];
        table.push(name, cells);
    }
    table
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(what) = isolated::asked_for() {
        let [name, bound, inserts] = &what[..] else {
            return Err("usage: insert --alone NAME BOUND INSERTS".into());
        };
        let (bound, inserts) = (bound.parse()?, inserts.parse()?);
        if name == NOTHING {
            return isolated::answer(&run_nothing(bound, inserts));
        }
        let mut named = Named {
            name,
            bound,
            inserts,
            run: None,
        };
        stores::all(&mut named);
        return isolated::answer(&named.run.ok_or_else(|| format!("there is no `{name}`"))?);
    }

    let mut names = stores::names();
    names.push(NOTHING);
    for (bound, inserts) in BOUNDS {
        let mut runs: Vec<Vec<Run>> = names.iter().map(|_| Vec::new()).collect();
        for _ in 0..RUNS {
            for (name, runs) in names.iter().zip(&mut runs) {
                runs.push(isolated::run(&[name, &bound.to_string(), &inserts.to_string()])?);
            }
        }
        let full = table(&names, &runs, |run| run.full.as_ref());
        full.save(&format!("insert, full, {bound}"))?;
        let filling = table(&names, &runs, |run| Some(&run.filling));
        filling.save(&format!("insert, filling, {bound}"))?;
        eprintln!("{bound} entries, full\n\n{full}\n{bound} entries, filling up\n\n{filling}");
    }
    Ok(())
}
