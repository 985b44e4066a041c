//! What the options for freshness cost: a hit, what is served without being fresh, and a miss.
//!
//! Not timed by criterion: a nanosecond or two are looked for, and between two of its benchmarks the machine changes by more.
//! Here all take turns, in short rounds, and what an option adds is the median, over all rounds, of its time less that of the
//! plain TTL in the same round. Where the code of a hit and where entries lie in memory makes more of a difference than an
//! option does. So all run the same code, on caches that are made differently; and there are several processes, in each of
//! which another cache comes first, and the figures are medians of these.
//!
//! Where valgrind is installed, instructions are counted as well, of annotated functions: those of a program that hits often
//! less those of one that hits less often.
//!
//! No runtime takes part in a hit, which is polled once. That all calls hit, and what they hit, is asserted. Refreshes that are
//! under way have a runtime which never lets them go on. Misses run on one of a single thread.

#![expect(clippy::unused_async, reason = "what is loaded is there at once")]

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cache_benches::once::poll_once;
use cache_benches::table::Table;
use cache_benches::{instructions, isolated};
use cache_core::{Cache, LoadTimeout, Stats, cached_lru, cached_ttl};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

const KEYS: u64 = 1024;
const BOUND: usize = 1024;
/// Room for as many errors. Their places are divided, and keys do not fall evenly.
const ROOMY: usize = 8 * BOUND;
/// Of so many hits or misses each.
const CALLS: u64 = 4 * KEYS;
const HIT_ROUNDS: usize = 201;
const MISS_ROUNDS: usize = 21;
const PROCESSES: usize = 9;
/// Instructions are counted of so many hits, and of so many more, so often.
const COUNTED: u64 = 40 * KEYS;
const COUNTS: usize = 3;
const LONG: Duration = Duration::from_secs(3600);
const LONGER: Duration = Duration::from_secs(7200);
/// Past the TTL of what is to be stale, and past the moment for a refresh ahead.
const SHORT: Duration = Duration::from_millis(1);
const A_MOMENT: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
struct Failure;

impl From<LoadTimeout> for Failure {
    fn from(_: LoadTimeout) -> Self {
        Self
    }
}

type Loaded = Result<u64, Failure>;

/// Whether loads come to a bad end.
static FAILING: AtomicBool = AtomicBool::new(false);

async fn load(id: u64) -> Loaded {
    if FAILING.load(Ordering::Relaxed) {
        return Err(Failure);
    }
    Ok(id)
}

// ---- What is measured ------------------------------------------------------------------------------------------

type Builder = cache_core::Builder<u64, u64>;

/// An option, or several.
struct Subject {
    name: &'static str,
    serves: Serves,
    set_up: fn(Builder) -> Builder,
    function: Function,
}

/// What is served by it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Serves {
    Fresh,
    /// A value that is still good, while its refresh is under way.
    Ripe,
    /// A value past its TTL, while its refresh is under way.
    Stale,
    /// The same, while no load is tried because the last one failed.
    Kept,
    /// An error that was kept.
    Failure,
}

/// An annotated function with the same options.
struct Function {
    hit: fn(u64),
    load_all: fn(&Runtime),
}

fn hits<F: Future<Output = Loaded>>(calls: u64, ask: impl Fn(u64) -> F) {
    for number in 0..calls {
        let _ = black_box(poll_once(ask(black_box(number % KEYS))));
    }
}

async fn misses<F: Future<Output = Loaded>>(from: u64, calls: u64, ask: impl Fn(u64) -> F) {
    for key in from..from + calls {
        let _ = black_box(ask(black_box(key)).await);
    }
}

/// A function for each, and the list of them.
macro_rules! subjects {
    ($($name:literal, $serves:ident, $set_up:expr; #[$attribute:meta] $function:ident;)*) => {
        $(
            #[$attribute]
            async fn $function(id: u64) -> Loaded {
                load(id).await
            }
        )*

        static SUBJECTS: &[Subject] = &[$(Subject {
            name: $name,
            serves: Serves::$serves,
            set_up: $set_up,
            function: Function {
                hit: |calls| hits(calls, $function),
                load_all: |runtime| runtime.block_on(misses(0, KEYS, $function)),
            },
        }),*];
    };
}

const TTL: &str = "ttl";

subjects! {
    "no TTL", Fresh, |cache| cache;
    #[cached_lru(max_size = BOUND)] no_ttl;

    "ttl", Fresh, |cache| cache.ttl(LONG);
    #[cached_ttl(ttl = LONG, max_size = BOUND)] plain;

    "ttl_fn", Fresh, |cache| cache.ttl_fn(|_| LONG);
    #[cached_ttl(ttl_fn = |_: &u64| LONG, max_size = BOUND)] told;

    "jitter", Fresh, |cache| cache.ttl(LONG).jitter(0.1);
    #[cached_ttl(ttl = LONG, jitter = 0.1, max_size = BOUND)] spread;

    "refresh_ahead", Fresh, |cache| cache.ttl(LONG).refresh_ahead(0.9);
    #[cached_ttl(ttl = LONG, refresh_ahead = 0.9, max_size = BOUND)] ahead;

    "stale_while_revalidate", Fresh, |cache| cache.ttl(LONG).stale_while_revalidate(LONG);
    #[cached_ttl(ttl = LONG, stale_while_revalidate = LONG, max_size = BOUND)] revalidated;

    "stale_if_error", Fresh, |cache| cache.ttl(LONG).stale_if_error(LONG);
    #[cached_ttl(ttl = LONG, stale_if_error = LONG, max_size = BOUND)] covered;

    "stale_if_error, soft_timeout", Fresh, |cache| cache.ttl(LONG).stale_if_error(LONG).soft_timeout(LONG);
    #[cached_ttl(ttl = LONG, stale_if_error = LONG, soft_timeout = LONG, max_size = BOUND)] hurried;

    "load_timeout", Fresh, |cache| cache.ttl(LONG).load_timeout(LONG);
    #[cached_ttl(ttl = LONG, load_timeout = LONG, max_size = BOUND)] limited;

    "err_ttl", Fresh, |cache| cache.ttl(LONG).err_ttl(LONG);
    #[cached_ttl(ttl = LONG, err_ttl = LONG, max_size = BOUND)] negative;

    "detached", Fresh, |cache| cache.ttl(LONG);
    #[cached_ttl(ttl = LONG, detached, max_size = BOUND)] detached;

    "all of them", Fresh, |cache| cache
        .ttl_fn(|_| LONG).jitter(0.1).refresh_ahead(0.9).stale_while_revalidate(LONG).stale_if_error(LONG)
        .soft_timeout(LONG).load_timeout(LONGER).err_ttl(LONG);
    #[cached_ttl(ttl_fn = |_: &u64| LONG, jitter = 0.1, refresh_ahead = 0.9, stale_while_revalidate = LONG,
        stale_if_error = LONG, soft_timeout = LONG, load_timeout = LONGER, err_ttl = LONG, max_size = BOUND)] everything;

    "refresh_ahead, refresh under way", Ripe, |cache| cache.ttl(LONG).refresh_ahead(1e-6);
    #[cached_ttl(ttl = LONG, refresh_ahead = 0.000_001, max_size = BOUND)] ripe;

    "stale_while_revalidate, refresh under way", Stale, |cache| cache.ttl(SHORT).stale_while_revalidate(LONG);
    #[cached_ttl(ttl = SHORT, stale_while_revalidate = LONG, max_size = BOUND)] stale;

    "stale_if_error, after a failure", Kept, |cache| cache.ttl(SHORT).stale_if_error(LONG).retry_after(LONG);
    #[cached_ttl(ttl = SHORT, stale_if_error = LONG, retry_after = LONG, max_size = BOUND)] kept;

    "err_ttl, a kept error", Failure, |cache| cache.ttl(LONG).err_ttl(LONG).max_size(ROOMY);
    #[cached_ttl(ttl = LONG, err_ttl = LONG, max_size = ROOMY)] refused;
}

impl Subject {
    fn named(name: &str) -> Result<&'static Self, Box<dyn Error>> {
        let subject = SUBJECTS.iter().find(|subject| subject.name == name);
        Ok(subject.ok_or_else(|| format!("there is no `{name}`"))?)
    }

    /// Of those that serve something fresh, or of all others.
    fn all(fresh: bool) -> impl Iterator<Item = &'static Self> {
        SUBJECTS
            .iter()
            .filter(move |subject| (subject.serves == Serves::Fresh) == fresh)
    }

    fn cache(&'static self) -> Subjected {
        Subjected {
            subject: self,
            cache: (self.set_up)(Cache::builder().max_size(BOUND)).build(),
        }
    }
}

/// A cache with an option.
struct Subjected {
    subject: &'static Subject,
    cache: Cache<u64, u64>,
}

/// Whom a load belongs to: its caller, or itself.
#[derive(Clone, Copy)]
enum By {
    Load,
    Spawn,
}

impl Subjected {
    /// The same code for all.
    #[inline(never)]
    fn hit(&self, calls: u64, by: By) {
        match by {
            By::Load => hits(calls, |id| self.cache.try_get_or_load(id, move || load(id))),
            By::Spawn => hits(calls, |id| self.cache.try_get_or_spawn(id, move || load(id))),
        }
    }

    #[inline(never)]
    fn miss(&self, runtime: &Runtime, from: u64, calls: u64, by: By) {
        match by {
            By::Load => runtime.block_on(misses(from, calls, |id| {
                self.cache.try_get_or_load(id, move || load(id))
            })),
            By::Spawn => runtime.block_on(misses(from, calls, |id| {
                self.cache.try_get_or_spawn(id, move || load(id))
            })),
        }
    }

    /// Asserts that it served what it is there for, so many times, and loaded nothing.
    fn check(&self, before: &Stats, calls: u64) {
        let after = self.cache.stats();
        let served = [
            after.hits - before.hits,
            after.stale - before.stale,
            after.negative_hits - before.negative_hits,
            after.loads - before.loads,
        ];
        let expected = match self.subject.serves {
            Serves::Fresh | Serves::Ripe => [calls, 0, 0, 0],
            Serves::Stale | Serves::Kept => [calls, calls, 0, 0],
            Serves::Failure => [0, 0, calls, 0],
        };
        assert_eq!(
            served, expected,
            "`{}`: hits, stale, negative, loads",
            self.subject.name
        );
    }
}

/// Has everything serve what it is there for: `load_all` asks for all keys on a runtime, and `hit_all` without one.
///
/// The runtime has to stay, and must not run any more: it has refreshes that are to remain under way.
fn prepare<T>(all: &[T], serves: fn(&T) -> Serves, load_all: impl Fn(&T, &Runtime), hit_all: impl Fn(&T)) -> Runtime {
    let runtime = runtime();
    let load = |which: &[Serves]| {
        let those = all.iter().filter(|one| which.contains(&serves(one)));
        those.for_each(|one| load_all(one, &runtime));
    };
    load(&[Serves::Fresh, Serves::Ripe, Serves::Stale, Serves::Kept]);
    std::thread::sleep(A_MOMENT);
    FAILING.store(true, Ordering::Relaxed);
    load(&[Serves::Kept, Serves::Failure]);
    FAILING.store(false, Ordering::Relaxed);
    {
        let _entered = runtime.enter();
        // Twice, so that nothing is done for the first time.
        all.iter().chain(all).for_each(hit_all);
    }
    runtime
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("it needs nothing")
}

// ---- How it is measured ----------------------------------------------------------------------------------------

/// What a call took, and how much more that was than one with the plain TTL by the same way; in nanoseconds.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Figures {
    took: f64,
    added: f64,
}

/// The figures of a subject, for both ways to load.
type Row = (String, [Figures; 2]);

/// Has all take turns. `call` makes [`CALLS`] calls.
fn in_turns(caches: &[Subjected], rounds: usize, mut call: impl FnMut(&Subjected, By)) -> Vec<Row> {
    let all: Vec<(&Subjected, By)> = caches
        .iter()
        .flat_map(|cache| [By::Load, By::Spawn].map(|by| (cache, by)))
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); all.len()];
    for round in 0..rounds {
        for turn in 0..all.len() {
            let number = (turn + round) % all.len();
            let (cache, by) = all[number];
            let began = Instant::now();
            call(cache, by);
            #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
            times[number].push(began.elapsed().as_secs_f64() * 1e9 / CALLS as f64);
        }
    }
    let times = times.as_chunks::<2>().0;
    let plain = caches.iter().position(|cache| cache.subject.name == TTL);
    let plain = &times[plain.expect("it is one of them")];
    let figures = |times: &[Vec<f64>; 2], by: usize| Figures {
        took: median(times[by].clone()),
        added: median(
            times[by]
                .iter()
                .zip(&plain[by])
                .map(|(took, plain)| took - plain)
                .collect(),
        ),
    };
    let rows = caches.iter().zip(times);
    rows.map(|(cache, times)| (cache.subject.name.to_owned(), [0, 1].map(|by| figures(times, by))))
        .collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A cache of each, made in another order in each process.
fn caches(subjects: impl Iterator<Item = &'static Subject>, process: usize) -> Vec<Subjected> {
    let mut subjects: Vec<_> = subjects.collect();
    let first = process % subjects.len();
    subjects.rotate_left(first);
    subjects.into_iter().map(Subject::cache).collect()
}

fn time_hits(process: usize) -> Vec<Row> {
    let caches = caches(SUBJECTS.iter(), process);
    let _runtime = prepare(
        &caches,
        |cache| cache.subject.serves,
        |cache, runtime| cache.miss(runtime, 0, KEYS, By::Load),
        |cache| cache.hit(KEYS, By::Spawn),
    );
    let before: Vec<Stats> = caches.iter().map(|cache| cache.cache.stats()).collect();
    let rows = in_turns(&caches, HIT_ROUNDS, |cache, by| cache.hit(CALLS, by));
    for (cache, before) in caches.iter().zip(&before) {
        cache.check(before, 2 * HIT_ROUNDS as u64 * CALLS);
    }
    rows
}

fn time_misses(process: usize) -> Vec<Row> {
    let caches = caches(Subject::all(true), process);
    let runtime = runtime();
    for cache in &caches {
        cache.miss(&runtime, 0, CALLS, By::Load);
    }
    let before: Vec<Stats> = caches.iter().map(|cache| cache.cache.stats()).collect();
    let mut next = 0;
    let rows = in_turns(&caches, MISS_ROUNDS, |cache, by| {
        next += CALLS;
        cache.miss(&runtime, next, CALLS, by);
    });
    for (cache, before) in caches.iter().zip(&before) {
        let after = cache.cache.stats();
        let calls = 2 * MISS_ROUNDS as u64 * CALLS;
        let counted = [after.loads - before.loads, after.evictions - before.evictions];
        assert_eq!(counted, [calls; 2], "`{}`: loads, evictions", cache.subject.name);
    }
    rows
}

/// Medians of several processes, by name.
fn of_processes(what: &str) -> Result<impl Fn(&str) -> [Figures; 2], Box<dyn Error>> {
    let mut all: Vec<Row> = Vec::new();
    for process in 0..PROCESSES {
        all.extend(isolated::run::<Vec<Row>>(&[what, &process.to_string()])?);
    }
    Ok(move |name: &str| {
        [0, 1].map(|by| {
            let of = |figure: fn(&Figures) -> f64| {
                let those = all.iter().filter(|(known, _)| known == name);
                median(those.map(|(_, both)| figure(&both[by])).collect())
            };
            Figures {
                took: of(|figures| figures.took),
                added: of(|figures| figures.added),
            }
        })
    })
}

/// How many instructions a hit of an annotated function executes, if they can be counted.
fn instructions(subject: &Subject) -> Result<Option<f64>, Box<dyn Error>> {
    // What other threads of the library do comes on top, and not each time the same.
    let least = |calls: u64| -> Result<Option<u64>, Box<dyn Error>> {
        let calls = calls.to_string();
        let counts = (0..COUNTS).map(|_| instructions::count(&[COUNT, subject.name, &calls]));
        Ok(counts
            .collect::<Result<Option<Vec<_>>, _>>()?
            .and_then(|counts| counts.into_iter().min()))
    };
    let (Some(less), Some(more)) = (least(COUNTED)?, least(2 * COUNTED)?) else {
        return Ok(None);
    };
    #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
    Ok(Some((more.saturating_sub(less)) as f64 / COUNTED as f64))
}

const HIT: &str = "hit";
const MISS: &str = "miss";
const COUNT: &str = "count";

fn alone(what: &[&str]) -> Result<(), Box<dyn Error>> {
    match what {
        [HIT, process] => isolated::answer(&time_hits(process.parse()?)),
        [MISS, process] => isolated::answer(&time_misses(process.parse()?)),
        [COUNT, name, calls] => {
            let subject = Subject::named(name)?;
            let _runtime = prepare(
                &[subject],
                |subject| subject.serves,
                |subject, runtime| (subject.function.load_all)(runtime),
                |subject| (subject.function.hit)(KEYS),
            );
            (subject.function.hit)(calls.parse()?);
            Ok(())
        }
        _ => Err("usage: freshness --alone hit PROCESS | miss PROCESS | count NAME CALLS".into()),
    }
}

const COLUMNS: [(&str, usize); 4] = [
    ("load, ns", 1),
    ("added to load, ns", 1),
    ("spawn, ns", 1),
    ("added to spawn, ns", 1),
];

fn cells([load, spawn]: [Figures; 2]) -> Vec<Option<f64>> {
    [load.took, load.added, spawn.took, spawn.added].map(Some).to_vec()
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(what) = isolated::asked_for() {
        return alone(&what.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let hit = of_processes(HIT)?;
    let plain = instructions(Subject::named(TTL)?)?;
    let mut columns = COLUMNS.to_vec();
    columns.extend([("instructions", 0), ("added instructions", 0)]);
    for (fresh, title) in [(true, "hit with an option"), (false, "hit of what is not fresh")] {
        let mut table = Table::new(&columns);
        for subject in Subject::all(fresh) {
            let mut cells = cells(hit(subject.name));
            let counted = instructions(subject)?;
            cells.extend([counted, counted.zip(plain).map(|(counted, plain)| counted - plain)]);
            table.push(subject.name, cells);
        }
        table.save(title)?;
        eprintln!("{title}\n\n{table}");
    }

    let miss = of_processes(MISS)?;
    let mut table = Table::new(&COLUMNS);
    for subject in Subject::all(true) {
        table.push(subject.name, cells(miss(subject.name)));
    }
    table.save("miss with an option")?;
    eprintln!("miss with an option\n\n{table}");
    Ok(())
}
