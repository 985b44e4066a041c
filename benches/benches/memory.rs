//! What an entry takes in memory when there are a million, and how often a hit allocates.
//!
//! An allocator that counts by thread tells both. Bytes are those that were asked for and not given back when the
//! cache was full, everything about the cache included; an allocator takes some more. Entries are those that are there
//! then. Each store has a process of its own, so that none frees what another left behind. Hits are those of the other
//! benchmarks (see `contestants`), a hundred thousand of each, of which none may load.

#![expect(
    clippy::unused_async,
    reason = "the bodies of the cached functions; `cached` leaves them as they are"
)]

mod contestants;
mod stores;

use std::error::Error;
use std::future::Future;
use std::hint::black_box;

use allocation_counter::measure;
use cache_benches::isolated;
use cache_benches::once::poll_once;
use cache_benches::table::Table;

use contestants::{KEYS, Measure, fill, hits_only, number, number_and_text, text};
use stores::{Store, Visit};

const ENTRIES: usize = 1_000_000;
const HITS: u32 = 100_000;

/// Bytes for each entry, by the name of a store.
struct Bytes<'a> {
    name: &'a str,
    bytes: Option<f64>,
}

impl Visit for Bytes<'_> {
    fn visit<S: Store>(&mut self) {
        if S::NAME != self.name {
            return;
        }
        let mut full = None;
        let counted = measure(|| {
            let store = S::new(ENTRIES);
            (0..ENTRIES).for_each(|key| store.insert(key as u64));
            store.settle();
            full = Some(store);
        });
        let store = full.expect("it was made");
        let entries = store.len();
        assert!(
            (ENTRIES - ENTRIES / 10..=ENTRIES).contains(&entries),
            "`{}` holds {entries} entries",
            S::NAME
        );
        std::mem::forget(store);
        #[expect(clippy::cast_precision_loss, reason = "no memory is so large")]
        {
            self.bytes = Some(counted.bytes_current as f64 / entries as f64);
        }
    }
}

fn bytes() -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new(&[("bytes for an entry", 1)]);
    for name in stores::names() {
        table.push(name, [isolated::run(&[name])?]);
    }
    Ok(table)
}

/// Allocations for each hit, by the names of the contestants.
#[derive(Default)]
struct Allocations(Vec<(String, f64)>);

impl Measure for Allocations {
    fn measure<F: Future<Output = u64>>(&mut self, name: &str, ask: impl Fn(u64) -> F + Sync) {
        fill(&ask);
        let counted = hits_only(name, || {
            measure(|| {
                for id in (0..KEYS).cycle().take(HITS as usize) {
                    black_box(poll_once(ask(black_box(id.into()))));
                }
            })
        });
        #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
        self.0
            .push((name.to_owned(), counted.count_total as f64 / f64::from(HITS)));
    }
}

fn allocations() -> Table {
    let [mut number, mut text, mut both] = [(); 3].map(|()| Allocations::default());
    number::all(&mut number);
    text::all(&mut text);
    number_and_text::all(&mut both);

    let mut table = Table::new(&[("`u64`", 3), ("`&str`", 3), ("`u64` and `&str`", 3)]);
    let columns = [number.0, text.0, both.0];
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in columns.iter().flatten() {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    for name in names {
        let cell = |column: &Vec<(String, f64)>| column.iter().find(|row| row.0 == name).map(|row| row.1);
        table.push(name, columns.each_ref().map(cell));
    }
    table
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(what) = isolated::asked_for() {
        let [name] = &what[..] else {
            return Err("usage: memory --alone NAME".into());
        };
        let mut bytes = Bytes { name, bytes: None };
        stores::all(&mut bytes);
        return isolated::answer(&bytes.bytes);
    }
    let bytes = bytes()?;
    bytes.save("bytes of an entry")?;
    eprintln!("memory of {ENTRIES} entries\n\n{bytes}");

    let allocations = allocations();
    allocations.save("allocations of a hit")?;
    eprintln!("allocations of a hit\n\n{allocations}");
    Ok(())
}
