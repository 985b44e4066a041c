//! The model check of the flight table: callers, writers, mutations and cancellations in every order that shuttle comes
//! up with, on a store that is nothing but a map.
//!
//! `RUSTFLAGS="--cfg cache_core_model" cargo test -p cache-core --lib model`

use std::collections::HashMap;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use crate::flight::{Ending, Entered, Flights};
use crate::sync::lock;

const KEYS: u64 = 2;
const RUNS: usize = 20_000;

/// A database of versions, a cache of it, and what nobody may see less than any more.
struct World {
    database: Vec<AtomicU64>,
    /// The version that was in the database when an invalidation of the key last returned.
    floor: Vec<AtomicU64>,
    store: Mutex<HashMap<u64, u64>>,
    flights: Flights<u64, u64>,
}

impl World {
    fn new() -> Arc<Self> {
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            database: zeros(),
            floor: zeros(),
            store: Mutex::new(HashMap::new()),
            flights: Flights::new(),
        })
    }

    fn at(all: &[AtomicU64], key: u64) -> &AtomicU64 {
        &all[usize::try_from(key).unwrap()]
    }

    fn stored(&self, key: u64) -> Option<u64> {
        lock(&self.store).get(&key).copied()
    }

    fn read(&self, key: u64) -> u64 {
        Self::at(&self.database, key).load(Ordering::SeqCst)
    }

    /// A call of a cached function, with the promise checked.
    fn call(&self, key: u64) {
        let floor = Self::at(&self.floor, key).load(Ordering::SeqCst);
        let mut cancelled = 0;
        let seen = loop {
            if let Some(hit) = self.stored(key) {
                break hit;
            }
            match self.flights.enter(key, &key, || self.stored(key)) {
                Entered::Present(value) => break value,
                Entered::Leading(flight) => {
                    let value = self.read(key);
                    thread::yield_now();
                    let (ending, done) = if cancelled < 2 && thread_rng().gen_bool(0.2) {
                        cancelled += 1;
                        (Ending::Abandoned, false)
                    } else {
                        (Ending::Loaded(value), true)
                    };
                    let keep = || lock(&self.store).insert(key, value);
                    self.flights.land(key, &key, &flight, ending, keep);
                    if done {
                        break value;
                    }
                }
                Entered::Joined(waiter) => match shuttle::future::block_on(waiter) {
                    Ending::Loaded(value) => break value,
                    Ending::Abandoned => {}
                    _ => unreachable!("no load of this model fails"),
                },
            }
        };
        assert!(
            seen >= floor,
            "a call that began after an invalidation got version {seen} < {floor}"
        );
    }

    fn reload(&self, key: u64) {
        let flight = self.flights.supersede(key, &key);
        let value = self.read(key);
        let keep = || lock(&self.store).insert(key, value);
        self.flights.land(key, &key, &flight, Ending::Loaded(value), keep);
    }

    fn write(&self, key: u64) -> u64 {
        Self::at(&self.database, key).fetch_add(1, Ordering::SeqCst) + 1
    }

    /// From now on nobody may see less.
    fn raise_floor(&self, key: u64, to: u64) {
        Self::at(&self.floor, key).fetch_max(to, Ordering::SeqCst);
    }

    fn write_and_invalidate(&self, key: u64) {
        let version = self.write(key);
        self.flights.evict(key, &key, || lock(&self.store).remove(&key));
        self.raise_floor(key, version);
    }

    fn write_and_clear(&self) {
        let versions: Vec<_> = (0..KEYS).map(|key| self.write(key)).collect();
        self.flights.evict_all(|| lock(&self.store).clear());
        for (key, version) in (0..KEYS).zip(versions) {
            self.raise_floor(key, version);
        }
    }

    fn mutate(&self, key: u64) {
        self.flights.fence(key, &key, || lock(&self.store).remove(&key));
        let version = self.write(key);
        self.flights.unfence(key, &key, || lock(&self.store).remove(&key));
        self.raise_floor(key, version);
    }

    fn mutate_all(&self) {
        self.flights.fence_all(|| lock(&self.store).clear());
        let versions: Vec<_> = (0..KEYS).map(|key| self.write(key)).collect();
        self.flights.unfence_all(|| lock(&self.store).clear());
        for (key, version) in (0..KEYS).zip(versions) {
            self.raise_floor(key, version);
        }
    }

    /// Nothing stale is kept, and nothing is left of what ended.
    fn check_rest(&self) {
        for key in 0..KEYS {
            let floor = Self::at(&self.floor, key).load(Ordering::SeqCst);
            if let Some(kept) = self.stored(key) {
                assert!(kept >= floor, "version {kept} < {floor} is kept");
            }
        }
        assert_eq!(self.flights.occupancy(), 0);
    }
}

fn check(actions: &'static [fn(&World)]) {
    let run = move || {
        let world = World::new();
        let threads: Vec<_> = actions
            .iter()
            .map(|action| {
                let world = Arc::clone(&world);
                thread::spawn(move || action(&world))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        world.check_rest();
        (0..KEYS).for_each(|key| world.call(key));
        world.check_rest();
    };
    shuttle::check_random(run, RUNS);
    shuttle::check_pct(run, RUNS / 4, 3);
}

#[test]
fn an_invalidation_detaches_loads() {
    check(&[
        |world| world.call(0),
        |world| {
            world.call(0);
            world.call(0);
        },
        |world| {
            world.write_and_invalidate(0);
            world.call(0);
        },
        |world| world.write_and_invalidate(0),
    ]);
}

#[test]
fn a_mutation_fences_loads() {
    check(&[
        |world| world.call(0),
        |world| {
            world.call(0);
            world.call(1);
        },
        |world| {
            world.mutate(0);
            world.call(0);
        },
        |world| world.mutate(0),
    ]);
}

#[test]
fn whole_caches_are_cleared_and_fenced() {
    check(&[
        |world| {
            world.call(0);
            world.call(1);
        },
        |world| {
            world.write_and_clear();
            world.call(1);
        },
        |world| {
            world.mutate_all();
            world.call(0);
        },
        |world| world.mutate(1),
    ]);
}

#[test]
fn reloads_take_part() {
    check(&[
        |world| world.reload(0),
        |world| {
            world.reload(0);
            world.call(0);
        },
        |world| {
            world.write_and_invalidate(0);
            world.call(0);
        },
        |world| world.call(0),
    ]);
}
