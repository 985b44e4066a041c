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
use std::time::Duration;

use cache_benches::isolated;
use cache_benches::latency::{self, Times};
use cache_benches::table::Table;
use serde::{Deserialize, Serialize};

use stores::{Store, Visit};

/// What caches are bounded at, and how often is inserted into them once they are full, unless it takes too long.
const BOUNDS: [(usize, usize); 3] = [(1_000, 300_000), (100_000, 300_000), (1_000_000, 2_000_000)];
const TOO_LONG: Duration = Duration::from_millis(2500);
/// Longer than filling takes.
const FOR_EVER: Duration = Duration::from_secs(3600);
const RUNS: usize = 3;

/// The row that measures the measuring.
const NOTHING: &str = "nothing";

#[derive(Serialize, Deserialize)]
struct Run {
    filling: Times,
    /// None where nothing is ever evicted.
    full: Option<Times>,
}

/// Times the inserts of these keys.
fn time(keys: Range<usize>, limit: Duration, insert: impl Fn(u64)) -> Times {
    let first = keys.start;
    latency::time(keys.len(), limit, || (), |number| insert((first + number) as u64))
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

fn table(names: &[&str], runs: &[Vec<Run>], phase: impl Fn(&Run) -> Option<&Times>) -> Table {
    // Without those that are never full.
    let rows = names.iter().zip(runs);
    latency::table(rows.map(|(name, runs)| (*name, runs.iter().filter_map(&phase).copied().collect())))
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
