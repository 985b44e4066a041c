//! What it costs to invalidate a tag that many entries carry, and whether that holds anybody up who has other tags.
//!
//! Not timed by criterion: what is evicted has to be put back, which takes longer. Each round puts all entries back, lets
//! the cache settle, and then times how they are evicted; the figure is the median of the rounds. That all were there, that
//! as many as that were evicted, and that none is there afterwards, is asserted. What the reaper frees a moment later
//! is in none of the figures; it is less than one sweep of the index.
//!
//! For the second question, calls of another cache, whose entries carry other tags, are timed by themselves as inserts are
//! (see `insert`), while another thread invalidates a tag of many entries. They begin only while it does so; it puts the
//! entries back meanwhile. A thread that only keeps its processor busy shows what comes of the machine.

mod tagged;

use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_benches::isolated;
use cache_benches::latency::{self, Times};
use cache_benches::once::{poll_once, poll_through};
use cache_benches::table::Table;
use cache_core::{Cache, invalidate_tag};

use tagged::{NO_TAG, ONE_OWN, ONE_SHARED, SHARED, Tagging};

/// How many entries, and how many rounds.
const SIZES: [(u64, usize); 3] = [(1, 2001), (1_000, 201), (MANY, 11)];
const MANY: u64 = 100_000;

/// A way to get rid of all entries, which says how many those were.
struct Way {
    name: &'static str,
    tagging: Tagging,
    evict: fn(&Cache<u64, u64>, u64) -> usize,
}

const WAYS: [Way; 5] = [
    Way {
        name: "invalidate_tag",
        tagging: ONE_SHARED,
        evict: |_, _| poll_through(invalidate_tag(SHARED)),
    },
    Way {
        name: "Cache::invalidate, one by one",
        tagging: ONE_SHARED,
        evict: one_by_one,
    },
    Way {
        name: "Cache::clear",
        tagging: ONE_SHARED,
        evict: clear,
    },
    Way {
        name: "Cache::invalidate, one by one, no tag",
        tagging: NO_TAG,
        evict: one_by_one,
    },
    Way {
        name: "Cache::clear, no tag",
        tagging: NO_TAG,
        evict: clear,
    },
];

fn one_by_one(cache: &Cache<u64, u64>, entries: u64) -> usize {
    (0..entries)
        .filter(|key| poll_once(cache.invalidate(black_box(key))))
        .count()
}

fn clear(cache: &Cache<u64, u64>, _: u64) -> usize {
    let before = cache.stats().invalidations;
    poll_once(cache.clear());
    usize::try_from(cache.stats().invalidations - before).expect("a small number")
}

/// A cache with room for so many entries twice.
fn room_for(entries: u64, tagging: &Tagging) -> Cache<u64, u64> {
    tagging.cache(2 * usize::try_from(entries).expect("a small number"))
}

fn put(cache: &Cache<u64, u64>, entries: u64) {
    for key in 0..entries {
        poll_once(cache.insert(key, key));
    }
    // Settles it, too.
    assert_eq!(cache.len() as u64, entries, "not all was put back");
}

/// The median of the rounds, in nanoseconds.
fn rounds(way: &Way, entries: u64, rounds: usize) -> f64 {
    let cache = room_for(entries, &way.tagging);
    let round = || {
        put(&cache, entries);
        let began = Instant::now();
        let evicted = (way.evict)(&cache, entries);
        let took = began.elapsed();
        assert_eq!(evicted as u64, entries, "`{}` did not evict all", way.name);
        assert!(cache.is_empty(), "`{}` left something", way.name);
        assert!((0..entries).all(|key| cache.peek(&key).is_none()), "`{}`", way.name);
        took
    };
    round();
    let mut times: Vec<Duration> = (0..rounds).map(|_| round()).collect();
    times.sort_unstable();
    times[rounds / 2].as_secs_f64() * 1e9
}

fn many() -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new(&[
        ("one of 100,000, ns", 0),
        ("100,000, ms", 2),
        ("one of 1,000, ns", 0),
        ("1,000, µs", 1),
        ("only one, ns", 0),
    ]);
    for way in WAYS {
        let [one, thousand, many] = SIZES
            .map(|(entries, rounds)| isolated::run(&["many", way.name, &entries.to_string(), &rounds.to_string()]));
        let (one, thousand, many): (f64, f64, f64) = (one?, thousand?, many?);
        let cells = [many / 1e5, many / 1e6, thousand / 1e3, thousand / 1e3, one];
        table.push(way.name, cells.map(Some));
    }
    Ok(table)
}

/// Entries of the cache that is asked.
const ASKED: u64 = 1024;
/// At most so many calls.
const CALLS: usize = 3_000_000;
const TOO_LONG: Duration = Duration::from_millis(2500);
const RUNS: usize = 3;

const HIT: &str = "hit";
const MISS: &str = "miss";
const NOBODY: &str = "beside nobody";
const BUSY: &str = "beside a thread that is busy";
const INVALIDATING: &str = "beside invalidate_tag";

/// What a thread beside does, and hears.
#[derive(Default)]
struct Beside {
    is_on: AtomicBool,
    is_over: AtomicBool,
    rounds: AtomicU64,
}

impl Beside {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Puts entries back and invalidates their tag, until it is over.
    fn invalidate(&self) {
        let cache = room_for(MANY, &ONE_SHARED);
        while !self.is_over() {
            put(&cache, MANY);
            self.is_on.store(true, Ordering::Relaxed);
            let evicted = poll_through(invalidate_tag(SHARED));
            self.is_on.store(false, Ordering::Relaxed);
            assert_eq!(evicted as u64, MANY, "there were others");
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
        // Not to wait for it to free what is left.
        std::mem::forget(cache);
    }

    fn be_busy(&self) {
        self.is_on.store(true, Ordering::Relaxed);
        while !self.is_over() {
            black_box(self.rounds.fetch_add(1, Ordering::Relaxed));
        }
    }
}

/// Times hits or misses while another thread does this.
fn beside(call: &str, what: &str) -> Times {
    let cache = ONE_OWN.cache(usize::try_from(ASKED).expect("it is small"));
    let mut loads = 0;
    let mut ask = |id| {
        let load = || {
            loads += 1;
            async move { id }
        };
        assert_eq!(poll_once(cache.get_or_load(black_box(id), load)), id);
    };
    (0..ASKED).for_each(&mut ask);

    let beside = Beside::default();
    let times = std::thread::scope(|scope| {
        let other = match what {
            INVALIDATING => Some(scope.spawn(|| beside.invalidate())),
            BUSY => Some(scope.spawn(|| beside.be_busy())),
            _ => None,
        };
        let ready = || {
            while other.is_some() && !beside.is_on.load(Ordering::Relaxed) {
                assert!(other.as_ref().is_some_and(|other| !other.is_finished()));
                spin_loop();
            }
        };
        let times = latency::time(CALLS, TOO_LONG, ready, |number| {
            let id = number as u64;
            ask(if call == HIT { id % ASKED } else { ASKED + id });
        });
        beside.is_over.store(true, Ordering::Relaxed);
        times
    });
    let rounds = beside.rounds.into_inner();
    assert!(what == NOBODY || rounds >= 2, "{call} {what}: {rounds} rounds");
    assert_eq!(loads > ASKED, call == MISS, "{loads} loads are not those of a {call}");
    times
}

fn held_up() -> Result<Table, Box<dyn Error>> {
    let calls = [HIT, MISS].into_iter();
    let all = calls.flat_map(|call| [NOBODY, BUSY, INVALIDATING].map(|what| (call, what)));
    let mut rows: Vec<(String, Vec<Times>)> = Vec::new();
    for run in 0..RUNS {
        for (row, (call, what)) in all.clone().enumerate() {
            if run == 0 {
                rows.push((format!("{call}, {what}"), Vec::new()));
            }
            rows[row].1.push(isolated::run(&["beside", call, what])?);
        }
    }
    Ok(latency::table(
        rows.iter().map(|(name, runs)| (name.as_str(), runs.clone())),
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(what) = isolated::asked_for() {
        let what: Vec<&str> = what.iter().map(String::as_str).collect();
        return match what[..] {
            ["many", name, entries, times] => {
                let way = WAYS.iter().find(|way| way.name == name);
                let way = way.ok_or_else(|| format!("there is no `{name}`"))?;
                isolated::answer(&rounds(way, entries.parse()?, times.parse()?))
            }
            ["beside", call, what] => isolated::answer(&beside(call, what)),
            _ => Err("usage: tag_invalidate --alone many NAME ENTRIES ROUNDS, or beside CALL WHAT".into()),
        };
    }
    let many = many()?;
    many.save("invalidation of a tag of many entries")?;
    eprintln!("invalidation of a tag of many entries\n\n{many}");

    let held_up = held_up()?;
    held_up.save("beside an invalidation of a tag")?;
    eprintln!("beside an invalidation of a tag of {MANY} entries\n\n{held_up}");
    Ok(())
}
