//! The sections of `README.md`: what was measured, in words, and where the figures are.

use std::error::Error;
use std::path::Path;

use cache_benches::table::Table;

use crate::criterion::{Median, Medians};

pub(crate) struct Chapter {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) sections: &'static [Section],
}

pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    source: Source,
}

enum Source {
    /// Medians of a group of criterion's, beside that of `own`.
    Latency { group: &'static str, own: &'static str },
    /// The same in microseconds, with the first column of a plain program's table beside it.
    Crowd { group: &'static str, beside: &'static str },
    /// Medians of a group of criterion's whose parameter is the number of threads.
    Throughput { group: &'static str },
    /// The table of a plain program, and of its first column the ratio to the row `own`.
    Plain {
        name: &'static str,
        own: Option<&'static str>,
    },
}

pub(crate) const LRU: &str = "#[cached_lru]";
const CACHE: &str = "Cache";
const NO_OBSERVER: &str = "no observer";
pub(crate) const NO_TAG: &str = "no tag";

pub(crate) const NANOSECONDS: &str = "median, ns";
pub(crate) const ONE_THREAD: &str = "1 thread, Mops/s";
pub(crate) const TWO_THREADS: &str = "2 threads, Mops/s";
pub(crate) const SCALING: &str = "2 over 1";
pub(crate) const LEAST_WORST: &str = "least worst, µs";

pub(crate) const HIT_NUMBER: &str = "Hit by `u64`";
pub(crate) const HIT_BOTH: &str = "Hit by `u64` and `&str`";
pub(crate) const THROUGHPUT_NUMBER: &str = "Throughput by `u64`";
pub(crate) const FULL: &str = "1,000,000 entries, full";
pub(crate) const FILLING: &str = "1,000,000 entries, filling up";
pub(crate) const HIT_TAGS: &str = "Hit with tags";
pub(crate) const LEFT: &str = "What is left of ten million tags";
pub(crate) const HIT_OPTIONS: &str = "Hit with an option";
pub(crate) const ADDED: [&str; 2] = ["added to load, ns", "added to spawn, ns"];
pub(crate) const ALLOCATIONS: &str = "Allocations of a hit";

pub(crate) const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "Hits",
        about: "One task awaits one call after the other. All keys are there, 1,024 of them, and the value\n\
            is a `u64`. The floor is papaya: a map that all threads may read and write, looked up by the\n\
            same keys with a fast hash. What a hit takes beyond that is what it is a cache for.",
        sections: &[
            Section {
                title: HIT_NUMBER,
                about: "One thread asks for the keys in turn.",
                source: Source::Latency {
                    group: "hit by u64",
                    own: LRU,
                },
            },
            Section {
                title: HIT_BOTH,
                about: "The same by a key of two parts. `cached` makes an owned key for each lookup, and fibre_cache\n\
                    needs one.",
                source: Source::Latency {
                    group: "hit by u64 and &str",
                    own: LRU,
                },
            },
            Section {
                title: THROUGHPUT_NUMBER,
                about: "Millions of hits in a second, of all threads together. Each thread has a sequence of keys of\n\
                    its own, drawn beforehand from a Zipf distribution (exponent 1).",
                source: Source::Throughput {
                    group: "throughput by u64",
                },
            },
            Section {
                title: "Throughput by `u64` and `&str`",
                about: "The same by a key of two parts.",
                source: Source::Throughput {
                    group: "throughput by u64 and &str",
                },
            },
        ],
    },
    Chapter {
        title: "Misses",
        about: "“Shared loads” says of a peer that callers of one key share a load. Here they always do.",
        sections: &[
            Section {
                title: "Miss with an immediate load",
                about: "Each call has a new key, in a cache that is full at 1,024 entries, and a load that is ready\n\
                    at once: looking, loading, storing and evicting.",
                source: Source::Latency {
                    group: "miss with an immediate load",
                    own: LRU,
                },
            },
            Section {
                title: "64 callers of one cold key",
                about: "Tasks of a tokio runtime with two threads ask for one key that is not there; the load gives\n\
                    way once. The time until all have the value, and the loads that it took. Much of it is the\n\
                    tasks themselves: see the row of those that ask nobody.",
                source: Source::Crowd {
                    group: "64 callers of one cold key",
                    beside: "loads of a crowd",
                },
            },
        ],
    },
    Chapter {
        title: "Inserts",
        about: "Each insert is timed by itself, the clock included, which is what `nothing` takes. Three\n\
            runs take turns, each in a process of its own. The columns are medians of the three, but for\n\
            the least worst; time in which the thread waited for a processor is not counted. For\n\
            `cached` it is the stores behind its attributes.",
        sections: &[
            Section {
                title: "1,000 entries, full",
                about: "Each insert evicts.",
                source: Source::Plain {
                    name: "insert, full, 1000",
                    own: Some(CACHE),
                },
            },
            Section {
                title: "100,000 entries, full",
                about: "Each insert evicts.",
                source: Source::Plain {
                    name: "insert, full, 100000",
                    own: Some(CACHE),
                },
            },
            Section {
                title: FULL,
                about: "Each insert evicts.",
                source: Source::Plain {
                    name: "insert, full, 1000000",
                    own: Some(CACHE),
                },
            },
            Section {
                title: FILLING,
                about: "The inserts before that, into a new cache: nothing is evicted yet, but tables grow.",
                source: Source::Plain {
                    name: "insert, filling, 1000000",
                    own: Some(CACHE),
                },
            },
        ],
    },
    Chapter {
        title: "Evictions and mutations",
        about: "An eviction of this library also detaches a load that is under way. A guard evicts, keeps\n\
            loads out, and evicts again; no peer has one. `#[invalidates]` is on a function with an\n\
            empty body.",
        sections: &[
            Section {
                title: "Evicting a key that is there",
                about: "It is one of 1,024.",
                source: Source::Latency {
                    group: "eviction of a key that is there",
                    own: CACHE,
                },
            },
            Section {
                title: "Evicting a key that is not there",
                about: "There are 1,024 others.",
                source: Source::Latency {
                    group: "eviction of a key that is not there",
                    own: CACHE,
                },
            },
            Section {
                title: "Mutating what is there",
                about: "It is one of 1,024.",
                source: Source::Latency {
                    group: "mutation of a key that is there",
                    own: "Cache::invalidate",
                },
            },
            Section {
                title: "Mutating what is not there",
                about: "There is nothing else either.",
                source: Source::Latency {
                    group: "mutation of a key that is not there",
                    own: "Cache::invalidate",
                },
            },
        ],
    },
    Chapter {
        title: "Tags",
        about: "`Cache::get_or_load` by `u64`, in caches of 1,024 entries that differ in their tags. These are made\n\
            by `Builder::tags`, or by `tag_fn` where it says so, and one of its own is `format!(\"user:{id}\")`.\n\
            That entries carry them is asserted by invalidating them. No peer has tags. An annotated function is beside\n\
            the same function without tags.",
        sections: &[
            Section {
                title: HIT_TAGS,
                about: "One thread asks for the keys in turn. It does not come across tags.",
                source: Source::Latency {
                    group: "hit with tags",
                    own: NO_TAG,
                },
            },
            Section {
                title: "Miss with tags",
                about: "With an immediate load, into a full cache: tags are made and listed, and those of the entry\n\
                    that is evicted are unlisted.",
                source: Source::Latency {
                    group: "miss with tags",
                    own: NO_TAG,
                },
            },
            Section {
                title: "Invalidating a tag of one entry",
                about: "One of 1,024, each of which has a tag of its own. A guard keeps out whatever is loaded with the\n\
                    tag. Beside it the entry is evicted by its key.",
                source: Source::Latency {
                    group: "invalidation of a tag of one entry",
                    own: "Cache::invalidate",
                },
            },
            Section {
                title: "Invalidating a tag of no entry",
                about: "There are 1,024 others.",
                source: Source::Latency {
                    group: "invalidation of a tag of no entry",
                    own: "Cache::invalidate",
                },
            },
            Section {
                title: "Invalidating a tag of many entries",
                about: "Of all that are in the cache, put back after each round; medians of the rounds. Beside it the\n\
                    same entries are evicted one by one, or the cache is cleared. A clear knows nothing of tags, but\n\
                    those of the entries that it frees are unlisted.",
                source: Source::Plain {
                    name: "invalidation of a tag of many entries",
                    own: Some("invalidate_tag"),
                },
            },
            Section {
                title: "Beside an invalidation",
                about: "Calls of one thread, each timed by itself as inserts are, while another thread invalidates a tag\n\
                    of 100,000 entries in another cache. The entries that are asked for carry other tags.",
                source: Source::Plain {
                    name: "beside an invalidation of a tag",
                    own: None,
                },
            },
            Section {
                title: "Bytes of an entry with tags",
                about: "As below, when there are 1,000,000; the index of tags is part of it.",
                source: Source::Plain {
                    name: "bytes of an entry with tags",
                    own: Some(NO_TAG),
                },
            },
            Section {
                title: LEFT,
                about: "What is held for a cache of 1,000 entries when it is full for the first time, when 10,000,000\n\
                    entries have passed through it, each with another tag where it has its own, and when it is dropped.",
                source: Source::Plain {
                    name: "what is left of tags",
                    own: None,
                },
            },
        ],
    },
    Chapter {
        title: "Many keys",
        about: "1,000 keys, in one task of a tokio runtime on one thread. Medians of the rounds, each of which begins\n\
            with a cache that has room for all.",
        sections: &[
            Section {
                title: "Loading 1,000 keys",
                about: "By single loads, one after the other or all at once, and by batches. A call that costs 10 µs keeps\n\
                    its processor busy for so long, however many keys it is for, as the trip to a database would\n\
                    keep its caller waiting.",
                source: Source::Plain {
                    name: "loading 1000 keys",
                    own: Some("Batched::get_many, batches of 100"),
                },
            },
            Section {
                title: "1,000 keys in one pass",
                about: "And in a loop over the calls for one. Nothing is evicted for want of room.",
                source: Source::Plain {
                    name: "1000 keys in one pass",
                    own: None,
                },
            },
        ],
    },
    Chapter {
        title: "Observers",
        about: "Caches are full at 1,024 entries, and each call evicts one, so that there are two changes to tell of. The\n\
            observers count and do nothing else. That each is told of every change, once, is asserted.",
        sections: &[
            Section {
                title: "Insert with observers",
                about: "By hand.",
                source: Source::Latency {
                    group: "insert with observers",
                    own: NO_OBSERVER,
                },
            },
            Section {
                title: "Miss with observers",
                about: "With an immediate load.",
                source: Source::Latency {
                    group: "miss with observers",
                    own: NO_OBSERVER,
                },
            },
        ],
    },
    Chapter {
        title: "Freshness",
        about: "Caches of 1,024 entries that differ in what they were told about time, asked by the same code: by\n\
            `Cache::try_get_or_load`, and by `try_get_or_spawn`, whose loads are tasks (`detached` is the plain TTL by that).\n\
            What an option adds is the median of differences to `ttl`, round by round. Instructions are those of a hit of an\n\
            annotated function with the option, beside `#[cached_ttl]`.",
        sections: &[
            Section {
                title: HIT_OPTIONS,
                about: "One thread asks for the keys in turn, and all are fresh.",
                source: Source::Plain {
                    name: "hit with an option",
                    own: None,
                },
            },
            Section {
                title: "Hit of what is not fresh",
                about: "The same while a refresh is under way for each key, or for as long as none is tried; and of an error\n\
                    that was kept.",
                source: Source::Plain {
                    name: "hit of what is not fresh",
                    own: None,
                },
            },
            Section {
                title: "Miss with an option",
                about: "With an immediate load, into a full cache, on a runtime of one thread.",
                source: Source::Plain {
                    name: "miss with an option",
                    own: None,
                },
            },
        ],
    },
    Chapter {
        title: "Revisions in Postgres",
        about: "A server on the same machine that writes through. What is asked goes over the loopback interface.",
        sections: &[
            Section {
                title: "Sixteen writers",
                about: "Each transaction changes two of four tables, in rows that are its writer's own, every other writer in the\n\
                    opposite order. Medians of seven rounds in which all take turns; waiting is the share of samples of who was at\n\
                    work. That every commit was counted is asserted.",
                source: Source::Plain {
                    name: "writers",
                    own: Some("not watched"),
                },
            },
            Section {
                title: "A call of a function with a revision",
                about: "By one caller. The summary takes twenty queries, one after the other.",
                source: Source::Plain {
                    name: "revision",
                    own: Some("hit of #[cached_lru]"),
                },
            },
            Section {
                title: "Asking for a revision",
                about: "One after the other. The last two rows are what push mode lags behind: until calls know that a table has\n\
                    changed, and ask, and until memory answers again. The listener asks every two milliseconds at most.",
                source: Source::Plain {
                    name: "revisions",
                    own: Some("SELECT 1"),
                },
            },
        ],
    },
    Chapter {
        title: "Requests that run once",
        about: "Each with a handler that returns a small reply at once; in a transaction it inserts one row. The server is on the same\n\
            machine, writes through, and has sixteen connections. Medians of a call, in the median of seven rounds in which all\n\
            take turns. By hand means `INSERT … ON CONFLICT DO NOTHING`, and then an update with the reply, or a select of it: no\n\
            lease, and no payload to compare. That each handler ran once for each key is asserted.",
        sections: &[
            Section {
                title: "For the first time",
                about: "The handler runs.",
                source: Source::Plain {
                    name: "idempotency_fresh",
                    own: Some("by hand"),
                },
            },
            Section {
                title: "Again",
                about: "The reply is replayed.",
                source: Source::Plain {
                    name: "idempotency_replayed",
                    own: Some("by hand"),
                },
            },
        ],
    },
    Chapter {
        title: "Memory",
        about: "As the allocator is asked for it.",
        sections: &[
            Section {
                title: "Bytes of an entry",
                about: "A `u64` by a `u64`, when there are 1,000,000: what was asked for and not given back,\n\
                    everything about the cache included.",
                source: Source::Plain {
                    name: "bytes of an entry",
                    own: Some(CACHE),
                },
            },
            Section {
                title: ALLOCATIONS,
                about: "How many a hit makes, on average of 100,000.",
                source: Source::Plain {
                    name: "allocations of a hit",
                    own: None,
                },
            },
        ],
    },
    Chapter {
        title: "Hit ratio",
        about: "Recorded accesses, played by one thread.",
        sections: &[Section {
            title: "Hits in per cent",
            about: "Beside an exact LRU, and beside moka, which is told to do at once what it puts off. TinyLFU\n\
                is the mean of five caches, because it depends on the seed of the hashes. That it hits less\n\
                than LRU is no mistake: who comes to these pages came here lately.",
            source: Source::Plain {
                name: "hit ratio",
                own: None,
            },
        }],
    },
];

impl Section {
    /// What was measured for it, if anything was.
    pub(crate) fn table(&self, medians: &Medians, folder: &Path) -> Result<Option<Table>, Box<dyn Error>> {
        let table = match self.source {
            Source::Latency { group, own } => latency(medians.group(group), NANOSECONDS, 1.0, own),
            Source::Crowd { group, beside } => {
                let table = latency(medians.group(group), "median, µs", 1e-3, LRU);
                let loads = Table::load(folder, beside)?;
                table.zip(loads).map(|(mut table, loads)| {
                    table.add_column("loads", 2, |name, _| loads.cell(name, "loads"));
                    table
                })
            }
            Source::Throughput { group } => throughput(medians.group(group)),
            Source::Plain { name, own } => {
                let mut table = Table::load(folder, name)?;
                if let (Some(table), Some(own)) = (&mut table, own) {
                    add_ratio(table, own);
                }
                table
            }
        };
        Ok(table)
    }
}

/// The ratio of the first column to that of the row `own`.
fn add_ratio(table: &mut Table, own: &str) {
    let unit = table.row(own).first().copied().flatten();
    table.add_column(&format!("× `{own}`"), 2, |_, cells| Some(cells[0]? / unit?));
}

fn latency(medians: &[Median], column: &str, unit: f64, own: &str) -> Option<Table> {
    let mut medians: Vec<&Median> = medians.iter().collect();
    medians.sort_by(|a, b| a.nanoseconds.total_cmp(&b.nanoseconds));
    let mut table = Table::new(&[(column, 1)]);
    for median in &medians {
        table.push(&median.name, [Some(median.nanoseconds * unit)]);
    }
    add_ratio(&mut table, own);
    (!medians.is_empty()).then_some(table)
}

/// Of the time that each thread takes for a call, the calls of all of them in a second.
fn throughput(medians: &[Median]) -> Option<Table> {
    let at = |name: &str, threads: f64| {
        let parameter = threads.to_string();
        let median = medians
            .iter()
            .find(|median| median.name == name && median.parameter.as_deref() == Some(&parameter))?;
        Some(threads * 1e3 / median.nanoseconds)
    };
    let mut rows: Vec<(&str, [Option<f64>; 2])> = Vec::new();
    for Median { name, .. } in medians {
        if rows.iter().all(|(known, _)| known != name) {
            rows.push((name, [1.0, 2.0].map(|threads| at(name, threads))));
        }
    }
    rows.sort_by(|(_, a), (_, b)| b[1].unwrap_or(0.0).total_cmp(&a[1].unwrap_or(0.0)));
    let mut table = Table::new(&[(ONE_THREAD, 1), (TWO_THREADS, 1)]);
    for (name, cells) in &rows {
        table.push(name, *cells);
    }
    table.add_column(SCALING, 2, |_, cells| Some(cells[1]? / cells[0]?));
    let own = table.cell(LRU, TWO_THREADS);
    table.add_column(&format!("`{LRU}` over it, 2 threads"), 2, |_, cells| {
        Some(own? / cells[1]?)
    });
    (!rows.is_empty()).then_some(table)
}
