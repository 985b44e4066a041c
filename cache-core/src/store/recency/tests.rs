//! What this store does beyond what every store has to do: the order of use, and what becomes of the dead.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::Barrier;

use super::*;
use crate::store::{Life, hashing};

const FOR_EVER: Life = Life {
    begins_at: 0,
    ttl: None,
    tti: None,
    staleness: None,
};

fn store(capacity: u64) -> RecencyStore<u64, u64> {
    RecencyStore::new(Bound::Entries(capacity), Arc::new(()))
}

fn insert(store: &RecencyStore<u64, u64>, key: u64) {
    Store::insert(store, Arc::new(Entry::new(key, key, key, 1, &FOR_EVER)));
}

fn look(store: &RecencyStore<u64, u64>, key: u64, look: Look) -> bool {
    store.read(key, &key, look, &Clock::manual(), |_| ()).is_some()
}

/// A small generator, so that a run needs nothing else (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// As long as one thread uses it, of whatever size. Between two evictions fewer are used than one eviction looks at.
#[test]
fn the_least_recently_used_entry_goes_exactly() {
    for capacity in [1, 2, 3, 10, 64, 65, 100, 1_000] {
        let store = store(capacity);
        let mut model = VecDeque::new();
        let mut state = capacity;
        for step in 0..20_000 {
            let key = random(&mut state) % (capacity + capacity / 4 + 2);
            let known = model.iter().position(|it| *it == key);
            match random(&mut state) % 8 {
                0 => {
                    assert_eq!(Store::remove(&store, key, &key).is_some(), known.is_some());
                    known.map(|at| model.remove(at));
                }
                1 => assert_eq!(look(&store, key, Look::Peek), known.is_some(), "{capacity}, {step}"),
                2 => {
                    insert(&store, key);
                    known.map(|at| model.remove(at));
                    model.push_back(key);
                }
                _ => {
                    assert_eq!(look(&store, key, Look::Use), known.is_some(), "{capacity}, {step}");
                    match known {
                        Some(at) => {
                            model.remove(at);
                        }
                        None => insert(&store, key),
                    }
                    model.push_back(key);
                }
            }
            if model.len() as u64 > capacity {
                model.pop_front();
            }
            assert_eq!(Store::len(&store), model.len() as u64);
        }
    }
}

/// However many were used since they were listed, an eviction looks at some and takes the best of those.
#[test]
fn the_work_of_an_eviction_is_bounded() {
    let store = store(10_000);
    for key in 0..10_000 {
        insert(&store, key);
    }
    for key in 0..10_000 {
        assert!(look(&store, key, Look::Use));
    }
    let listed = |store: &RecencyStore<u64, u64>| {
        let guard = store.index.guard();
        let entries = store.index.iter(&guard).map(|(_, link)| Arc::clone(link.entry()));
        let ranks = entries
            .filter(|entry| entry.facts.rank.load(Ordering::Relaxed) == entry.facts.stamp.load(Ordering::Relaxed));
        ranks.count()
    };
    assert_eq!(listed(&store), 0, "nobody is listed by its last use");
    insert(&store, 10_000);
    let looked_at = listed(&store) - 1;
    assert!((1..=80).contains(&looked_at), "{looked_at}");
    // Used in the order in which they came in, so that the first of them is the right one all the same.
    assert!(!look(&store, 0, Look::Peek) && look(&store, 1, Look::Peek));
}

/// Two threads use the same few keys, in whatever order, while others come and go.
#[test]
fn what_several_threads_use_stays() {
    let store = &store(200);
    for key in 0..10 {
        insert(store, key);
    }
    let (turn, lost) = (&Barrier::new(3), &AtomicU64::new(0));
    std::thread::scope(|scope| {
        for mine in 0..2_u64 {
            scope.spawn(move || {
                for _ in 0..500 {
                    // Half of them are shared, the others one thread's own.
                    let keys = (0..10).filter(|key| *key < 5 || (key + mine) % 2 == 0);
                    let found = keys.filter(|key| look(store, *key, Look::Use)).count();
                    // Told at the end: who fails here makes the others wait for ever.
                    lost.fetch_add(u64::from(found < 7), Ordering::Relaxed);
                    turn.wait();
                    turn.wait();
                }
            });
        }
        for round in 0..500 {
            turn.wait();
            for key in 0..50 {
                insert(store, 1_000 + round * 50 + key);
            }
            turn.wait();
        }
    });
    assert_eq!((lost.load(Ordering::Relaxed), Store::len(store)), (0, 200));
}

/// A value that is replaced all the time, with nobody to sweep but those who replace it.
#[test]
fn the_dead_are_few() {
    let store = store(1_000);
    for _ in 0..1_000 {
        insert(&store, 7);
        let guard = store.index.guard();
        let length = store.index.get(&7, &guard).map_or(0, |chain| chain.iter().count());
        assert!(length <= LONG + 1, "{length}");
    }
    for key in 0..10_000 {
        insert(&store, key);
        assert!(store.index.len() <= 1_000 + 64, "{}", store.index.len());
    }
    assert!(store.settle());
    assert_eq!(store.index.len(), 1_000);
}

/// Evicted values are not many at any time, with nobody to settle the store: an eighth of the cache, and 64 at most.
#[test]
fn evicted_values_do_not_pile_up() {
    for capacity in [1, 16, 100, 1_000] {
        let store = RecencyStore::<u64, Arc<()>>::new(Bound::Entries(capacity), Arc::new(()));
        let living = Arc::new(());
        let most = capacity + (capacity / 8).clamp(8, 64);
        for key in 0..5_000 {
            Store::insert(
                &store,
                Arc::new(Entry::new(key, key, Arc::clone(&living), 1, &FOR_EVER)),
            );
            store.bury();
            let count = Arc::strong_count(&living) as u64 - 1;
            assert!(count <= most, "{count} of {capacity}");
        }
    }
}

/// More readers are inside than a sweep has parts, and the one who swept does not come again.
#[test]
fn what_is_swept_beside_many_readers_is_freed() {
    const READERS: usize = 12;
    let store = &RecencyStore::<u64, Arc<()>>::new(Bound::Entries(10), Arc::new(()));
    let living = &Arc::new(());
    let put = |key| Store::insert(store, Arc::new(Entry::new(key, key, Arc::clone(living), 1, &FOR_EVER)));
    (0..10).for_each(|key| drop(put(key)));
    let (inside, outside, settled) = (&Barrier::new(READERS + 1), &Barrier::new(READERS + 1), &Barrier::new(2));
    let count = std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                store.read(9, &9, Look::Peek, &Clock::manual(), |_| {
                    inside.wait();
                    outside.wait();
                });
            });
        }
        inside.wait();
        let (swept, has_swept) = std::sync::mpsc::channel();
        scope.spawn(move || {
            (10..18).for_each(|key| drop(put(key)));
            let _ = swept.send(());
            settled.wait();
        });
        let _ = has_swept.recv();
        outside.wait();
        // The readers leave when they do.
        let is_settled = (0..1_000_000).any(|_| {
            std::thread::yield_now();
            store.settle()
        });
        let count = Arc::strong_count(living) - 1;
        settled.wait();
        is_settled.then_some(count)
    });
    assert_eq!(count, Some(10));
}

fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whatever the index is about to do when they leave.
#[test]
fn what_leaves_while_the_index_grows_is_freed() {
    for bound in [Bound::Entries(100_000), Bound::Weight(100_000), Bound::Unbounded] {
        for count in (1..20).chain(1_000..1_060).chain(2_040..2_070) {
            let store = RecencyStore::<u64, Arc<()>>::new(bound, Arc::new(()));
            let living = Arc::new(());
            for key in 0..count {
                let hash = spread(key);
                Store::insert(
                    &store,
                    Arc::new(Entry::new(hash, key, Arc::clone(&living), 1, &FOR_EVER)),
                );
            }
            for key in 0..count.min(10) {
                drop(Store::remove(&store, spread(key), &key));
            }
            assert!(store.settle(), "{count}, {bound:?}");
            assert_eq!(Arc::strong_count(&living) as u64 - 1, count - count.min(10));
        }
    }
}

/// First the one thread, then the other.
fn two_threads_use(store: &RecencyStore<u64, u64>, keys: u64) {
    let (one_is_done, both_are_done) = (&Barrier::new(2), &Barrier::new(2));
    std::thread::scope(|scope| {
        for first in [true, false] {
            scope.spawn(move || {
                if !first {
                    one_is_done.wait();
                }
                for key in 0..keys {
                    look(store, key, Look::Use);
                }
                if first {
                    one_is_done.wait();
                }
                // Both live until then, so that they do not have one stripe one after the other.
                both_are_done.wait();
            });
        }
    });
}

#[test]
fn a_newcomer_stays_where_all_is_shared() {
    for capacity in [2, 65, 100, 128, 200, 256, 300, 1_000, 5_000] {
        let store = store(capacity);
        (0..capacity).for_each(|key| insert(&store, key));
        two_threads_use(&store, capacity);
        let newcomers = 10_000..10_000 + (capacity / 2).min(50);
        newcomers.clone().for_each(|key| insert(&store, key));
        let lost = newcomers.filter(|key| !look(&store, *key, Look::Peek)).count();
        assert_eq!(lost, 0, "{capacity}");
    }
    let store = RecencyStore::<u64, u64>::new(Bound::Weight(1_000), Arc::new(()));
    (0..1_000).for_each(|key| insert(&store, key));
    two_threads_use(&store, 1_000);
    Store::insert(&store, Arc::new(Entry::new(5_000, 5_000, 0, 100, &FOR_EVER)));
    assert!(look(&store, 5_000, Look::Peek));
    assert_eq!((0..1_000).filter(|key| look(&store, *key, Look::Peek)).count(), 900);
}

/// However much is used between two insertions.
#[test]
fn small_caches_are_exact() {
    let store = store(64);
    (0..64).for_each(|key| insert(&store, key));
    for _ in 0..10 {
        (0..63).rev().for_each(|key| assert!(look(&store, key, Look::Use)));
    }
    insert(&store, 64);
    insert(&store, 65);
    let gone: Vec<u64> = (0..64).filter(|key| !look(&store, *key, Look::Peek)).collect();
    assert_eq!(gone, [62, 63]);
}

/// A table is left when some entry has found no place in it within so many steps, and that must not happen over and over.
#[test]
fn numbers_in_a_row_find_their_places_whatever_the_seed() {
    const PLACES: usize = 2048;
    // As the index counts them.
    const STEPS: usize = 5 * PLACES.ilog2() as usize;
    // The last five are of no use to `foldhash::fast`.
    for seed in (0..200).chain([5_426, 11_996, 27_446, 33_282, 35_655]) {
        let shared = Box::leak(Box::new(foldhash::SharedSeed::from_u64(seed)));
        let hasher = hashing::SeedableRandomState::with_seed(seed, shared);
        let mut taken = vec![false; PLACES];
        for key in 0..PLACES as u64 / 2 {
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is looked at")]
            let first = hasher.hash_one(key) as usize;
            let mut places = (0..=STEPS).map(|step| (first + step * (step + 1) / 2) % PLACES);
            let place = places.find(|place| !taken[*place]);
            taken[place.unwrap_or_else(|| panic!("seed {seed}: no place for {key}"))] = true;
        }
    }
}
