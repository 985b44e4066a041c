//! What every store has to do, checked on each of them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::entry::Facts;
use super::*;
use crate::clock::{NEVER, nanos};
use crate::key::Value;

/// A value whose drop is counted.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Not too good a hash, so that neighbours are neighbours in the store as well.
fn hash(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const FOR_EVER: Life = Life {
    begins_at: 0,
    ttl: None,
    tti: None,
    staleness: None,
};

fn living<V>(key: u64, value: V, life: &Life) -> Arc<Entry<u64, V>> {
    Arc::new(Entry::new(hash(key), key, value, 1, life))
}

fn entry<V>(key: u64, value: V) -> Arc<Entry<u64, V>> {
    living(key, value, &FOR_EVER)
}

fn get<V: Value>(store: &impl Store<u64, V>, key: u64, clock: &Clock) -> Option<V> {
    store.read(hash(key), &key, Look::Use, clock, |entry| entry.value.clone())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Tells the other threads of a test that it is over, also when it has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Other tests may hold a collector up for a moment.
fn settle<V>(store: &impl Store<u64, V>) {
    let settled = (0..100_000).any(|_| {
        std::thread::yield_now();
        store.settle()
    });
    assert!(settled && store.is_settled());
}

fn what_was_inserted_is_found_and_nothing_else(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    assert_eq!((store.len(), store.next_deadline(), store.evictions()), (0, None, 0));
    assert!(get(store, 1, &clock).is_none() && !store.contains(hash(1), &1));
    for key in 0..100 {
        assert!(store.insert(entry(key, key * 2)).is_none());
    }
    for key in 0..100 {
        assert_eq!(get(store, key, &clock), Some(key * 2));
        assert!(store.contains(hash(key), &key));
    }
    assert_eq!((get(store, 100, &clock), store.len()), (None, 100));
    let replaced = store.insert(entry(7, 1)).map(|entry| (entry.key, entry.value));
    assert_eq!(
        (replaced, get(store, 7, &clock), store.len()),
        (Some((7, 14)), Some(1), 100)
    );
}

fn what_was_removed_is_not_found(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    for round in 0..5 {
        for key in 0..100 {
            store.insert(entry(key, round));
        }
        for key in 0..100 {
            assert_eq!(store.remove(hash(key), &key).map(|entry| entry.value), Some(round));
            assert!(store.remove(hash(key), &key).is_none());
            assert!(get(store, key, &clock).is_none() && !store.contains(hash(key), &key));
        }
        assert_eq!(store.len(), 0);
    }
    assert_eq!(store.evictions(), 0);
}

fn a_clear_removes_all_and_no_more(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    for round in 0..5 {
        for key in 0..100 {
            store.insert(entry(key, key));
        }
        store.remove(hash(1), &1);
        let cleared = store.clear();
        assert!((0..100).all(|key| get(store, key, &clock).is_none()));
        // Before what was removed is freed.
        store.insert(entry(3, round));
        assert_eq!(cleared.count, 99);
        store.discard(cleared);
        assert_eq!((get(store, 3, &clock), store.len()), (Some(round), 1));
        let cleared = store.clear();
        assert_eq!(cleared.count, 1);
        store.discard(cleared);
    }
    settle(store);
}

fn the_bound_holds_after_every_change(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    for key in 0..1_000 {
        store.insert(entry(key, key));
        assert!(store.len() <= 10);
    }
    assert_eq!((store.len(), store.evictions()), (10, 990));
    assert_eq!((0..1_000).filter(|key| get(store, *key, &clock).is_some()).count(), 10);
    let cleared = store.clear();
    store.discard(cleared);
    for key in 0..20 {
        store.insert(entry(key, key));
    }
    assert_eq!(store.len(), 10);
}

fn the_weight_holds_after_every_change(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    let heavy = |key, weight| Arc::new(Entry::new(hash(key), key, u64::from(weight), weight, &FOR_EVER));
    let weight = || (0..100).filter_map(|key| get(store, key, &clock)).sum::<u64>();
    for key in 0..100 {
        store.insert(heavy(key, u32::try_from(key % 7).expect("small") + 1));
        assert!(weight() <= 100, "{}", weight());
    }
    assert!(weight() > 50, "{}", weight());
    // Replaced, its weight counts once.
    let kept = (0..100)
        .find(|key| get(store, *key, &clock).is_some())
        .expect("some are kept");
    store.insert(heavy(kept, 1));
    assert!(weight() <= 100);
}

fn time_ends_entries(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    for (key, ttl) in [(1, 10), (2, 20), (3, 30)] {
        let life = Life {
            ttl: Some(seconds(ttl)),
            ..FOR_EVER
        };
        store.insert(living(key, key, &life));
    }
    store.insert(entry(4, 4));
    let first = store.next_deadline().expect("three of them are mortal");
    assert!(store.due(clock.now(), 10).is_empty());
    clock.advance(Duration::from_nanos(9_999_999_999));
    assert_eq!((get(store, 1, &clock), clock.has_reached(first)), (Some(1), false));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((get(store, 1, &clock), clock.has_reached(first)), (None, true));
    clock.advance(seconds(15));
    let due = store.due(clock.now(), 10);
    assert_eq!(due.len(), 2);
    for due in &due {
        assert!(store.remove_expired(due, &clock) && !store.remove_expired(due, &clock));
    }
    assert_eq!(
        (store.len(), get(store, 3, &clock), get(store, 4, &clock)),
        (2, Some(3), Some(4))
    );
    assert!(store.due(clock.now(), 10).is_empty());
    store.remove(hash(3), &3);
    assert_eq!((store.next_deadline(), store.evictions()), (None, 0));
}

fn a_use_keeps_an_entry_from_lying_idle(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    let life = Life {
        tti: Some(seconds(10)),
        ..FOR_EVER
    };
    store.insert(living(1, 1, &life));
    store.insert(living(2, 2, &life));
    clock.advance(seconds(6));
    assert_eq!(get(store, 1, &clock), Some(1));
    clock.advance(seconds(6));
    let due = store.due(clock.now(), 10);
    assert_eq!(due.len(), 2);
    assert_eq!(due.iter().filter(|due| store.remove_expired(due, &clock)).count(), 1);
    assert_eq!((get(store, 1, &clock), get(store, 2, &clock)), (Some(1), None));
    clock.advance(seconds(10));
    // Due once more, because it was looked at too early.
    let due = store.due(clock.now(), 10);
    assert!(due.len() == 1 && store.remove_expired(&due[0], &clock));
    assert_eq!((store.len(), store.next_deadline()), (0, None));
}

fn time_makes_entries_stale(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    let life = Life {
        ttl: Some(seconds(10)),
        staleness: Some(Staleness {
            refreshes_at: Some(nanos(seconds(8))),
            revalidates: nanos(seconds(5)),
            survives: nanos(seconds(10)),
        }),
        ..FOR_EVER
    };
    store.insert(living(1, 1, &life));
    let look = |seen: &mut dyn FnMut(&Facts)| {
        store.look(hash(1), &1, Look::Use, &clock, |entry, standing| {
            seen(entry.facts());
            standing
        })
    };
    let standing = || look(&mut |_| ());
    let after = |wait, expected| {
        clock.advance(seconds(wait));
        assert_eq!(standing(), expected, "at {:?}", clock.now());
    };
    after(7, Some(Standing::Fresh));
    after(1, Some(Standing::Ripe));
    let mut claims = Vec::new();
    look(&mut |facts| claims.extend([facts.claim(), facts.claim()]));
    assert_eq!(claims, [true, false]);
    after(0, Some(Standing::Fresh));
    after(2, Some(Standing::Stale));
    assert_eq!(get(store, 1, &clock), None);
    look(&mut |facts| facts.release(clock.now()));
    after(0, Some(Standing::Due));
    look(&mut |facts| facts.postpone(clock.now() + nanos(seconds(1))));
    after(0, Some(Standing::Stale));
    after(1, Some(Standing::Due));
    after(4, Some(Standing::Spent));
    look(&mut |facts| facts.postpone(clock.now() + nanos(seconds(1))));
    after(0, Some(Standing::Stale));
    after(1, Some(Standing::Spent));
    assert!(store.due(clock.now(), 10).is_empty());
    after(4, None);
    let due = store.due(clock.now(), 10);
    assert!(due.len() == 1 && store.remove_expired(&due[0], &clock));
    assert_eq!((store.len(), store.next_deadline()), (0, None));
}

/// Somebody removes, replaces or clears what another has found due and not looked at yet.
fn what_is_due_may_be_gone_by_then(store: &impl Store<u64, Counted>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let clock = Clock::manual();
    let life = Life {
        ttl: Some(seconds(1)),
        ..FOR_EVER
    };
    let insert = |key| store.insert(living(key, Counted(Arc::clone(&dropped)), &life));
    for key in 0..4 {
        insert(key);
    }
    clock.advance(seconds(1));
    let mut due = store.due(clock.now(), 3);
    drop(store.remove(hash(due[0].key()), &due[0].key()));
    let later = Life {
        begins_at: clock.now(),
        ..life
    };
    drop(store.insert(living(due[1].key(), Counted(Arc::clone(&dropped)), &later)));
    assert!(!store.remove_expired(&due[0], &clock) && !store.remove_expired(&due[1], &clock));
    assert_eq!(store.len(), 3);
    let cleared = store.clear();
    assert!(!store.remove_expired(&due[2], &clock));
    store.discard(cleared);
    assert_eq!(store.len(), 0);
    due.clear();
    settle(store);
    assert_eq!(dropped.load(Ordering::SeqCst), 5);
}

impl Due {
    fn key(&self) -> u64 {
        let any = &*self.0 as &dyn Any;
        any.downcast_ref::<Entry<u64, Counted>>().expect("of these types").key
    }
}

fn what_has_left_is_dropped(store: &impl Store<u64, Counted>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let value = |key| entry(key, Counted(Arc::clone(&dropped)));
    let so_far = || {
        settle(store);
        dropped.load(Ordering::SeqCst)
    };
    for key in 0..100 {
        store.insert(value(key));
    }
    assert_eq!(so_far(), 90, "evicted");
    let kept: Vec<u64> = (0..100).filter(|key| store.contains(hash(*key), key)).collect();
    for key in &kept {
        store.insert(value(*key));
    }
    assert_eq!(so_far(), 100, "replaced");
    drop(store.remove(hash(kept[0]), &kept[0]));
    assert_eq!(so_far(), 101, "removed");
    let held = store.read(hash(kept[1]), &kept[1], Look::Peek, &Clock::manual(), Arc::clone);
    let cleared = store.clear();
    store.discard(cleared);
    store.settle();
    assert_eq!(dropped.load(Ordering::SeqCst), 109, "one is held");
    drop(held);
    assert_eq!(so_far(), 110, "cleared");
}

/// As bad a hash as there is.
fn keys_of_one_hash_are_kept_apart(store: &impl Store<u64, u64>) {
    let clock = Clock::manual();
    let get = |key: u64| store.read(0, &key, Look::Use, &clock, |entry| entry.value);
    for key in 0..500 {
        assert!(store.insert(Arc::new(Entry::new(0, key, key, 1, &FOR_EVER))).is_none());
    }
    for key in (0..500).step_by(2) {
        assert!(store.remove(0, &key).is_some());
        store.insert(Arc::new(Entry::new(0, key + 1, key, 1, &FOR_EVER)));
    }
    for key in 0..500 {
        assert_eq!(get(key), (key % 2 == 1).then(|| key - 1));
    }
    assert_eq!(store.len(), 250);
}

/// Readers of a key that is replaced all the time find it at every moment, and never an older value than before.
fn a_replaced_entry_is_there_at_every_moment(store: &impl Store<u64, u64>) {
    const ROUNDS: u64 = 20_000;
    let clock = Clock::manual();
    store.insert(entry(1, 0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _over = Over(&done);
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    let found = get(store, 1, &clock).expect("it is there");
                    assert!(found >= seen, "{found} after {seen}");
                    seen = found;
                }
            });
        }
        let _over = Over(&done);
        for round in 1..=ROUNDS {
            assert!(store.insert(entry(1, round)).is_some());
            store.bury();
        }
    });
    settle(store);
}

/// After a removal has returned, no reader that starts then finds what it removed, on whichever thread.
fn no_reader_finds_what_was_removed_before_it_began(store: &impl Store<u64, u64>) {
    const ROUNDS: u64 = 20_000;
    let clock = Clock::manual();
    let (removed, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let begin = Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                begin.wait();
                let _over = Over(&done);
                while !done.load(Ordering::Relaxed) {
                    let before = removed.load(Ordering::Acquire);
                    if let Some(found) = get(store, 1, &clock) {
                        assert!(found > before, "{found} was removed when {before} had been");
                    }
                }
            });
        }
        begin.wait();
        let _over = Over(&done);
        for round in 1..=ROUNDS {
            store.insert(entry(1, round));
            if round % 64 == 0 {
                let cleared = store.clear();
                removed.store(round, Ordering::Release);
                store.discard(cleared);
            } else {
                assert!(store.remove(hash(1), &1).is_some());
                removed.store(round, Ordering::Release);
                store.bury();
            }
        }
    });
    assert_eq!(store.len(), 0);
    settle(store);
}

/// What a store has told of its doings, as keys and values.
#[derive(Default)]
struct Notes(std::sync::Mutex<Vec<Note>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// A key, its new value, the former one, and whether that had expired.
    CameIn(u64, u64, Option<(u64, bool)>),
    Evicted(u64, u64),
}

impl Notes {
    fn note(&self, note: Note) {
        self.0.lock().expect("no panic under this lock").push(note);
    }

    fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.0.lock().expect("no panic under this lock"))
    }
}

fn number(any: &dyn Any) -> u64 {
    *any.downcast_ref().expect("keys and values are numbers")
}

impl Journal for Notes {
    fn is_open(&self) -> bool {
        true
    }

    fn came_in(&self, entry: &Arc<dyn Kept>, former: Option<(&Arc<dyn Kept>, bool)>) {
        let former = former.map(|(former, had_expired)| (number(former.value()), had_expired));
        self.note(Note::CameIn(number(entry.key()), number(entry.value()), former));
    }

    fn evicted(&self, entry: &Arc<dyn Kept>) {
        self.note(Note::Evicted(number(entry.key()), number(entry.value())));
    }
}

fn the_journal_is_told_what_comes_in_and_is_evicted(store: &impl Store<u64, u64>, notes: &Notes) {
    let clock = Clock::manual();
    let life = Life {
        ttl: Some(seconds(1)),
        ..FOR_EVER
    };
    store.put(living(1, 1, &life), &clock);
    store.put(living(1, 2, &life), &clock);
    clock.advance(seconds(1));
    store.put(entry(1, 3), &clock);
    assert_eq!(
        notes.take(),
        [
            Note::CameIn(1, 1, None),
            Note::CameIn(1, 2, Some((1, false))),
            Note::CameIn(1, 3, Some((2, true)))
        ]
    );
    // What is removed by others, they know themselves.
    store.remove(hash(1), &1);
    store.put(living(1, 4, &life), &clock);
    notes.take();
    for due in store.due(NEVER, 10) {
        assert!(store.remove_expired(&due, &clock));
    }
    let cleared = store.clear();
    store.discard(cleared);
    assert_eq!(notes.take(), []);
    for key in 0..100 {
        store.put(entry(key, key), &clock);
    }
    let mut live = Vec::new();
    let notes = notes.take();
    for note in &notes {
        match *note {
            Note::CameIn(key, value, None) if key == value && !live.contains(&key) => live.push(key),
            Note::Evicted(key, value) if key == value => {
                let at = live.iter().position(|it| *it == key).expect("it has come in");
                live.remove(at);
            }
            note => panic!("{note:?}"),
        }
    }
    let evicted = notes.iter().filter(|it| matches!(it, Note::Evicted(..))).count();
    assert_eq!((evicted as u64, live.len() as u64), (store.evictions(), store.len()));
    assert!(live.iter().all(|key| store.contains(hash(*key), key)));
    let mut shown = Vec::new();
    let cleared = store.clear_and(Some(&mut |entry| shown.push(number(entry.key()))));
    assert_eq!(cleared.count, live.len() as u64);
    store.discard(cleared);
    shown.sort_unstable();
    live.sort_unstable();
    assert_eq!(shown, live);
}

/// Threads put, remove and clear, with the locks that a cache would hold, in a store that has to evict all the time.
fn the_journal_is_told_in_order_whoever_puts(store: &impl Store<u64, u64>, notes: &Notes) {
    const THREADS: u64 = 4;
    const KEYS: u64 = 24;
    let locks: Vec<_> = (0..KEYS).map(|_| std::sync::Mutex::new(())).collect();
    let lock = |key: u64| locks[usize::try_from(key).expect("small")].lock().expect("no panic");
    let removed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (lock, removed) = (&lock, &removed);
            scope.spawn(move || {
                let clock = Clock::manual();
                for step in 0..5_000 {
                    let value = step * THREADS + thread;
                    let key = hash(value) % KEYS;
                    let _key = lock(key);
                    if step % 5 == 0 {
                        if let Some(gone) = store.remove(hash(key), &key) {
                            // As an eviction, which it is not: to follow what has become of it.
                            notes.note(Note::Evicted(key, gone.value));
                            removed.lock().expect("no panic").push(gone.value);
                        }
                    } else {
                        store.put(entry(key, value), &clock);
                    }
                }
            });
        }
    });
    let mut live = std::collections::HashMap::new();
    let notes = notes.take();
    for note in &notes {
        match *note {
            Note::CameIn(key, value, former) => {
                let former = former.map(|(former, _)| former);
                assert_eq!(live.insert(key, value), former, "{note:?}");
            }
            Note::Evicted(key, value) => assert_eq!(live.remove(&key), Some(value), "{note:?}"),
        }
    }
    assert_eq!(live.len() as u64, store.len());
    for (key, value) in &live {
        assert_eq!(get(store, *key, &Clock::manual()), Some(*value));
    }
    let removed = removed.lock().expect("no panic").len();
    let gone = notes.iter().filter(|it| matches!(it, Note::Evicted(..))).count();
    assert_eq!((gone - removed) as u64, store.evictions());
}

macro_rules! conformance {
    ($($store:ident: $make:expr;)*) => {$(
        mod $store {
            use super::super::*;

            conformance! { @ $make;
                what_was_inserted_is_found_and_nothing_else: Bound::Unbounded,
                what_was_removed_is_not_found: Bound::Entries(1_000),
                a_clear_removes_all_and_no_more: Bound::Entries(1_000),
                the_bound_holds_after_every_change: Bound::Entries(10),
                the_weight_holds_after_every_change: Bound::Weight(100),
                time_ends_entries: Bound::Entries(1_000),
                time_makes_entries_stale: Bound::Entries(1_000),
                a_use_keeps_an_entry_from_lying_idle: Bound::Unbounded,
                what_is_due_may_be_gone_by_then: Bound::Entries(1_000),
                what_has_left_is_dropped: Bound::Entries(10),
                keys_of_one_hash_are_kept_apart: Bound::Entries(1_000),
                a_replaced_entry_is_there_at_every_moment: Bound::Entries(1_000),
                no_reader_finds_what_was_removed_before_it_began: Bound::Entries(1_000),
            }
            conformance! { told $make;
                the_journal_is_told_what_comes_in_and_is_evicted: Bound::Entries(10),
                the_journal_is_told_in_order_whoever_puts: Bound::Entries(8),
            }
        }
    )*};
    (told $make:expr; $($test:ident: $bound:expr,)*) => {$(
        #[test]
        fn $test() {
            let notes = Arc::new(super::Notes::default());
            super::$test(&$make($bound, Arc::clone(&notes) as Arc<dyn Journal>), &notes);
        }
    )*};
    (@ $make:expr; $($test:ident: $bound:expr,)*) => {$(
        #[test]
        fn $test() {
            super::$test(&$make($bound, Arc::new(())));
        }
    )*};
}

conformance! {
    recency: RecencyStore::new;
    tiny_lfu: TinyLfuStore::new;
}
