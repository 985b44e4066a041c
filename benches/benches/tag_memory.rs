//! What an entry with tags takes in memory when there are a million, and what is left of ten million tags.
//!
//! An allocator that belongs to this program counts the bytes that were asked for and not given back, of all threads,
//! because the reaper frees what is left over. So it is read once it has not changed for a while. Each figure is
//! taken in a process of its own.

mod tagged;

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_benches::isolated;
use cache_benches::once::poll_once;
use cache_benches::table::Table;
use cache_core::Cache;
use serde::{Deserialize, Serialize};

use tagged::{NO_TAG, ONE_OWN, ONE_SHARED, Tagging};

const ENTRIES: u64 = 1_000_000;

/// What is kept of those that pass, and how many pass.
const KEPT: u64 = 1_000;
const PASSING: u64 = 10_000_000;

/// More than the reaper takes to come round.
const A_WHILE: Duration = Duration::from_millis(1200);

/// The bytes that were asked for and not given back.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all is done by `System`, with the very arguments; beside that it only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// The bytes that are held once everything is settled.
fn held(cache: &Cache<u64, u64>) -> usize {
    let mut former = usize::MAX;
    for _ in 0..20 {
        // Settles it.
        cache.len();
        let now = HELD.load(Ordering::Relaxed);
        if now == former {
            return now;
        }
        former = now;
        std::thread::sleep(A_WHILE);
    }
    panic!("what is held changes all the time");
}

#[expect(clippy::cast_precision_loss, reason = "no memory is so large")]
fn as_figure(bytes: usize) -> f64 {
    bytes as f64
}

fn insert(cache: &Cache<u64, u64>, id: u64) {
    poll_once(cache.insert(id, id));
}

/// Bytes for each entry of a full cache.
fn bytes(tagging: &Tagging) -> f64 {
    let entries = usize::try_from(ENTRIES).expect("it is small");
    let before = HELD.load(Ordering::Relaxed);
    let cache = tagging.cache(entries);
    (0..ENTRIES).for_each(|id| insert(&cache, id));
    assert_eq!(cache.len(), entries, "{}", tagging.name);
    let bytes = as_figure(held(&cache) - before) / as_figure(entries);
    tagging.check(&cache, 0);
    bytes
}

/// What is held, in bytes.
#[derive(Serialize, Deserialize)]
struct Left {
    /// When the cache is full for the first time.
    first: f64,
    /// When the others have passed.
    last: f64,
    /// When the cache is gone.
    without: f64,
}

fn left(tagging: &Tagging) -> Left {
    // A process has a reaper and an index of tags, whatever becomes of its caches.
    let other = tagging.cache(1);
    (0..100).for_each(|id| insert(&other, id));
    let before = held(&other);

    let cache = tagging.cache(usize::try_from(KEPT).expect("it is small"));
    (0..KEPT).for_each(|id| insert(&cache, id));
    let first = held(&cache) - before;
    (KEPT..PASSING).for_each(|id| insert(&cache, id));
    assert_eq!(cache.stats().evictions, PASSING - KEPT, "{}", tagging.name);
    assert_eq!(cache.len() as u64, KEPT, "{}", tagging.name);
    let last = held(&cache) - before;
    drop(cache);
    let without = held(&other).saturating_sub(before);
    tagging.check(&other, 0);
    Left {
        first: as_figure(first),
        last: as_figure(last),
        without: as_figure(without),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(what) = isolated::asked_for() {
        let what: Vec<&str> = what.iter().map(String::as_str).collect();
        return match what[..] {
            ["bytes", name] => isolated::answer(&bytes(&Tagging::named(name))),
            ["left", name] => isolated::answer(&left(&Tagging::named(name))),
            _ => Err("usage: tag_memory --alone bytes NAME, or left NAME".into()),
        };
    }
    let mut table = Table::new(&[("bytes for an entry", 1)]);
    for tagging in tagged::ALL {
        table.push(tagging.name, [isolated::run(&["bytes", tagging.name])?]);
    }
    table.save("bytes of an entry with tags")?;
    eprintln!("bytes of an entry with tags\n\n{table}");

    let mut table = Table::new(&[
        ("the first 1,000, KiB", 1),
        ("after 10,000,000, KiB", 1),
        ("cache dropped, KiB", 1),
    ]);
    for tagging in [NO_TAG, ONE_SHARED, ONE_OWN] {
        let left: Left = isolated::run(&["left", tagging.name])?;
        let cells = [left.first, left.last, left.without];
        table.push(tagging.name, cells.map(|bytes| Some(bytes / 1024.0)));
    }
    table.save("what is left of tags")?;
    eprintln!("what is left of {PASSING} tags\n\n{table}");
    Ok(())
}
