//! What this library is to reach, and whether it does.

use std::fmt;

use cache_benches::table::Table;

use crate::sections::{
    ADDED, ALLOCATIONS, FILLING, FULL, HIT_BOTH, HIT_NUMBER, HIT_OPTIONS, HIT_TAGS, LEAST_WORST, LEFT, LRU,
    NANOSECONDS, NO_TAG, SCALING, THROUGHPUT_NUMBER, TWO_THREADS,
};

const TTL: &str = "#[cached_ttl]";
const TINY_LFU: &str = r#"#[cached_lru(policy = "tiny_lfu")]"#;
const CONCURRENT: &str = "cached #[concurrent_cached]";
const CONCURRENT_TTL: &str = "cached #[concurrent_cached], TTL";
const MOKA: &str = "moka sync";
const FLOOR: &str = "papaya pin().get";
const CACHE: &str = "Cache";
const OWN_TAG: &str = "one tag of its own";
const FOUR_TAGS: &str = "four tags, two of its own";

pub(crate) struct Target {
    pub(crate) what: String,
    bound: Bound,
    unit: &'static str,
    /// None if it was not measured.
    pub(crate) measured: Option<f64>,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
    None,
}

/// A row of the table.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            bound,
            unit,
            measured,
        } = self;
        let measured = measured.unwrap_or(f64::NAN);
        let (bound, met) = match bound {
            Bound::AtLeast(bound) => (format!("≥ {bound}{unit}"), measured >= *bound),
            Bound::AtMost(bound) => (format!("≤ {bound}{unit}"), measured <= *bound),
            Bound::None => ("none".to_owned(), measured == 0.0),
        };
        // What is just above nothing must not look like nothing.
        let digits = if measured < 0.01 { 5 } else { 2 };
        let met = if met { "met" } else { "**not met**" };
        write!(f, "| {what} | {bound} | {measured:.digits$}{unit} | {met} |")
    }
}

/// All targets, without a figure where there is none; `table` finds the table of a section.
pub(crate) fn targets<'a>(table: impl Fn(&str) -> Option<&'a Table>) -> Vec<Target> {
    let cell = |title: &str, row: &str, column: &str| table(title)?.cell(row, column);
    // How much longer the second takes than the first, and how many more hits the first gets.
    let slower = |title: &str, first: &str, second: &str| {
        Some(cell(title, second, NANOSECONDS)? / cell(title, first, NANOSECONDS)?)
    };
    let more = |first: &str, second: &str| {
        Some(cell(THROUGHPUT_NUMBER, first, TWO_THREADS)? / cell(THROUGHPUT_NUMBER, second, TWO_THREADS)?)
    };
    let scaling = |own: &str| cell(THROUGHPUT_NUMBER, own, SCALING);
    let milliseconds = |title: &str| Some(cell(title, CACHE, LEAST_WORST)? / 1e3);
    let allocations = |own: &str| {
        let cells = table(ALLOCATIONS)?.row(own);
        cells
            .iter()
            .copied()
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .reduce(f64::max)
    };

    let mut targets = vec![
        least(
            "hit by `u64`: speed of `#[cached_lru]` over that of `#[concurrent_cached]`",
            2.0,
            slower(HIT_NUMBER, LRU, CONCURRENT),
        ),
        least(
            "hit by `u64`: speed of `#[cached_ttl]` over that of `#[concurrent_cached]` with a TTL",
            3.0,
            slower(HIT_NUMBER, TTL, CONCURRENT_TTL),
        ),
        least(
            "hit by `u64` and `&str`: speed of `#[cached_lru]` over that of `#[concurrent_cached]`",
            3.0,
            slower(HIT_BOTH, LRU, CONCURRENT),
        ),
        most(
            "hit by `u64`: time of `#[cached_lru]` over that of a bare papaya `get`",
            2.5,
            "×",
            slower(HIT_NUMBER, FLOOR, LRU),
        ),
        least("hits in a second: `#[cached_lru]`, 2 threads over 1", 1.7, scaling(LRU)),
        least("hits in a second: `#[cached_ttl]`, 2 threads over 1", 1.7, scaling(TTL)),
        least(
            "hits in a second, 2 threads: `#[cached_lru]` over `#[concurrent_cached]`",
            5.0,
            more(LRU, CONCURRENT),
        ),
        least(
            "hits in a second, 2 threads: `#[cached_lru]` over moka sync",
            12.0,
            more(LRU, MOKA),
        ),
        most("worst insert, 1,000,000 entries, full", 1.0, " ms", milliseconds(FULL)),
        most(
            "worst insert, 1,000,000 entries, filling up",
            1.0,
            " ms",
            milliseconds(FILLING),
        ),
    ];
    targets.push(most(
        "hit with four tags: time over that without",
        1.1,
        "×",
        slower(HIT_TAGS, NO_TAG, FOUR_TAGS),
    ));
    let added = table(HIT_OPTIONS).map(|table| ADDED.iter().flat_map(|column| table.column(column)));
    targets.push(most(
        "hit with any option for freshness: added to that with the TTL alone",
        5.0,
        " ns",
        added.and_then(|added| added.reduce(f64::max)),
    ));
    let kibibytes = |column: &str| cell(LEFT, OWN_TAG, column);
    targets.push(most(
        "held after ten million tags over held after the first thousand",
        1.5,
        "×",
        kibibytes("after 10,000,000, KiB").and_then(|last| Some(last / kibibytes("the first 1,000, KiB")?)),
    ));
    for own in [LRU, TTL, TINY_LFU] {
        targets.push(Target {
            what: format!("allocations of a hit: `{own}`, whatever key"),
            bound: Bound::None,
            unit: "",
            measured: allocations(own),
        });
    }
    targets
}

fn least(what: &str, bound: f64, measured: Option<f64>) -> Target {
    Target {
        what: what.to_owned(),
        bound: Bound::AtLeast(bound),
        unit: "×",
        measured,
    }
}

fn most(what: &str, bound: f64, unit: &'static str, measured: Option<f64>) -> Target {
    Target {
        what: what.to_owned(),
        bound: Bound::AtMost(bound),
        unit,
        measured,
    }
}
