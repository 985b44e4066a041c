//! The model check of the promise: callers, writers, mutations and cancellations in every order that shuttle comes up
//! with, on a store that is nothing but a map, so that the flight table is alone, and on the one of the default policy.
//!
//! `RUSTFLAGS="--cfg cache_core_model" cargo test -p cache-core --lib model`

mod revisions;
mod tags;

use std::collections::HashMap;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use crate::clock::Clock;
use crate::flight::{Ending, Entered, Flights, KeepFailure, SharedError};
use crate::store::{Bound, Entry, Life, Look, RecencyStore, Store};
use crate::sync::lock;
use crate::tag::NEVER;

const KEYS: u64 = 2;
const RUNS: usize = 20_000;

/// A database of versions, a cache of it, and what nobody may see less than any more.
struct World {
    database: Vec<AtomicU64>,
    /// The version that was in the database when an invalidation of the key last returned.
    floor: Vec<AtomicU64>,
    store: Box<dyn Versions>,
    flights: Flights<u64, u64>,
}

/// A store of versions.
trait Versions: Send + Sync {
    fn get(&self, key: u64) -> Option<u64>;
    fn insert(&self, key: u64, version: u64);
    fn remove(&self, key: u64);
    fn clear(&self);
    /// What a store does when it finds the time.
    fn settle(&self) {}
}

impl Versions for Mutex<HashMap<u64, u64>> {
    fn get(&self, key: u64) -> Option<u64> {
        lock(self).get(&key).copied()
    }

    fn insert(&self, key: u64, version: u64) {
        lock(self).insert(key, version);
    }

    fn remove(&self, key: u64) {
        lock(self).remove(&key);
    }

    fn clear(&self) {
        lock(self).clear();
    }
}

/// All keys under one hash, so that they share a chain.
const HASH: u64 = 7;

impl Versions for RecencyStore<u64, u64> {
    fn get(&self, key: u64) -> Option<u64> {
        self.read(HASH, &key, Look::Use, &Clock::manual(), |entry| entry.value)
    }

    fn insert(&self, key: u64, version: u64) {
        let life = Life {
            begins_at: 0,
            ttl: None,
            tti: None,
            staleness: None,
        };
        Store::insert(self, Arc::new(Entry::new(HASH, key, version, 1, &life)));
    }

    fn remove(&self, key: u64) {
        Store::remove(self, HASH, &key);
    }

    fn clear(&self) {
        let cleared = Store::clear(self);
        // Not in the place where a cache does it, which is after its locks: earlier is harder.
        self.discard(cleared);
    }

    fn settle(&self) {
        Store::settle(self);
    }
}

fn plain() -> Box<dyn Versions> {
    Box::new(Mutex::new(HashMap::new()))
}

fn recency() -> Box<dyn Versions> {
    Box::new(RecencyStore::new(Bound::Entries(100), Arc::new(())))
}

/// One that has to let go of one key for the other.
fn narrow() -> Box<dyn Versions> {
    Box::new(RecencyStore::new(Bound::Entries(1), Arc::new(())))
}

impl World {
    fn new(store: Box<dyn Versions>) -> Arc<Self> {
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            database: zeros(),
            floor: zeros(),
            store,
            flights: Flights::new(),
        })
    }

    fn at(all: &[AtomicU64], key: u64) -> &AtomicU64 {
        &all[usize::try_from(key).unwrap()]
    }

    fn stored(&self, key: u64) -> Option<u64> {
        self.store.get(key)
    }

    fn read(&self, key: u64) -> u64 {
        Self::at(&self.database, key).load(Ordering::SeqCst)
    }

    /// A call of a cached function, with the promise checked.
    fn call(&self, key: u64) {
        self.call_that(key, false);
    }

    /// The same with a load that fails, and whose failure is kept. It knows the version it was made of.
    fn fail(&self, key: u64) {
        self.call_that(key, true);
    }

    fn call_that(&self, key: u64, fails: bool) {
        let floor = Self::at(&self.floor, key).load(Ordering::SeqCst);
        let mut cancelled = 0;
        let seen = loop {
            if let Some(hit) = self.stored(key) {
                break hit;
            }
            match self.flights.enter(key, &key, || self.stored(key), || 0, || None) {
                Entered::Present(value) => break value,
                Entered::Failed(failure) => break version_of(&failure),
                Entered::Leading(flight) => {
                    let value = self.read(key);
                    thread::yield_now();
                    if cancelled < 2 && thread_rng().gen_bool(0.2) {
                        cancelled += 1;
                        let keep = |may_be_kept| self.keep(may_be_kept, key, value);
                        self.flights.land(key, &key, &flight, Ending::Abandoned, keep);
                        continue;
                    }
                    if fails {
                        let keep = KeepFailure::new(1, 16);
                        let is_wanted = || self.stored(key).is_none();
                        let failure = Arc::new(value);
                        self.flights.land_failure(key, &key, &flight, failure, keep, is_wanted);
                    } else {
                        let keep = |may_be_kept| self.keep(may_be_kept, key, value);
                        self.flights.land(key, &key, &flight, Ending::Loaded(value), keep);
                    }
                    break value;
                }
                Entered::Joined(waiter) => match shuttle::future::block_on(waiter) {
                    Ending::Loaded(value) => break value,
                    Ending::Failed(failure) => break version_of(&failure),
                    Ending::Abandoned => {}
                    _ => unreachable!("no load of this model ends like this"),
                },
            }
        };
        assert!(
            seen >= floor,
            "a call that began after an invalidation got version {seen} < {floor}"
        );
    }

    /// A refresh that nobody waits for.
    fn refresh(&self, key: u64) {
        let is_wanted = || self.stored(key).is_some();
        if let Some(flight) = self.flights.begin(key, &key, is_wanted, || None) {
            let value = self.read(key);
            thread::yield_now();
            let keep = |may_be_kept| self.keep(may_be_kept, key, value);
            self.flights.land(key, &key, &flight, Ending::Loaded(value), keep);
        }
    }

    fn keep(&self, may_be_kept: bool, key: u64, value: u64) -> ((), u64) {
        if may_be_kept {
            self.store.insert(key, value);
        }
        ((), NEVER)
    }

    fn reload(&self, key: u64) {
        let flight = self.flights.supersede(key, &key, None);
        let value = self.read(key);
        let keep = |may_be_kept| self.keep(may_be_kept, key, value);
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
        self.flights.evict(key, &key, || self.store.remove(key));
        self.raise_floor(key, version);
    }

    fn write_and_clear(&self) {
        let versions: Vec<_> = (0..KEYS).map(|key| self.write(key)).collect();
        self.flights.evict_all(|| self.store.clear());
        for (key, version) in (0..KEYS).zip(versions) {
            self.raise_floor(key, version);
        }
    }

    fn mutate(&self, key: u64) {
        self.flights.fence(key, &key, || self.store.remove(key));
        let version = self.write(key);
        self.flights.unfence(key, &key, || self.store.remove(key));
        self.raise_floor(key, version);
    }

    fn mutate_all(&self) {
        self.flights.fence_all(|| self.store.clear());
        let versions: Vec<_> = (0..KEYS).map(|key| self.write(key)).collect();
        self.flights.unfence_all(|| self.store.clear());
        for (key, version) in (0..KEYS).zip(versions) {
            self.raise_floor(key, version);
        }
    }

    /// Nothing stale is kept, and nothing is left of what ended.
    fn check_rest(&self) {
        self.flights.forget_failures(1);
        self.check_kept();
        assert_eq!(self.flights.occupancy(), 0);
    }

    fn check_kept(&self) {
        for key in 0..KEYS {
            let floor = Self::at(&self.floor, key).load(Ordering::SeqCst);
            if let Some(kept) = self.stored(key) {
                assert!(kept >= floor, "version {kept} < {floor} is kept");
            }
        }
    }
}

fn version_of(failure: &SharedError) -> u64 {
    *failure.downcast_ref().expect("failures of this model are versions")
}

/// A thread for each action, to their ends.
fn all_at_once<W: Send + Sync + 'static>(world: &Arc<W>, actions: &'static [fn(&W)]) {
    let threads = actions.iter().map(|action| {
        let world = Arc::clone(world);
        thread::spawn(move || action(&world))
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
}

fn check(stores: &[fn() -> Box<dyn Versions>], actions: &'static [fn(&World)]) {
    for &store in stores {
        let run = move || {
            let world = World::new(store());
            all_at_once(&world, actions);
            world.check_kept();
            // Which may find a failure that is kept.
            (0..KEYS).for_each(|key| world.call(key));
            world.check_rest();
        };
        let runs = RUNS / stores.len();
        shuttle::check_random(run, runs);
        shuttle::check_pct(run, runs / 4, 3);
    }
}

#[test]
fn an_invalidation_detaches_loads() {
    check(
        &[plain, recency],
        &[
            |world| world.call(0),
            |world| {
                world.call(0);
                world.call(0);
            },
            |world| {
                world.write_and_invalidate(0);
                world.call(0);
            },
            |world| {
                world.write_and_invalidate(0);
                world.store.settle();
            },
        ],
    );
}

#[test]
fn a_mutation_fences_loads() {
    check(
        &[plain, recency],
        &[
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
        ],
    );
}

#[test]
fn whole_caches_are_cleared_and_fenced() {
    check(
        &[plain, recency],
        &[
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
        ],
    );
}

#[test]
fn reloads_take_part() {
    check(
        &[plain, recency],
        &[
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
        ],
    );
}

#[test]
fn refreshes_in_the_background_take_part() {
    check(
        &[plain, recency],
        &[
            |world| {
                world.call(0);
                world.refresh(0);
            },
            |world| {
                world.refresh(0);
                world.reload(0);
            },
            |world| {
                world.write_and_invalidate(0);
                world.call(0);
            },
            |world| {
                world.call(0);
                world.mutate(0);
            },
        ],
    );
}

#[test]
fn kept_failures_take_part() {
    check(
        &[plain, recency],
        &[
            |world| {
                world.fail(0);
                world.fail(1);
            },
            |world| {
                world.fail(0);
                world.refresh(0);
                world.flights.forget_failures(1);
            },
            |world| {
                world.write_and_invalidate(0);
                world.call(0);
            },
            |world| {
                world.mutate(0);
                world.write_and_clear();
            },
        ],
    );
}

#[test]
fn evictions_take_part() {
    check(
        &[narrow],
        &[
            |world| {
                world.call(0);
                world.call(1);
            },
            |world| {
                world.reload(1);
                world.store.settle();
                world.call(0);
            },
            |world| {
                world.write_and_invalidate(0);
                world.call(0);
            },
            |world| world.write_and_invalidate(1),
        ],
    );
}

/// A key that is only replaced is there at every moment, whatever becomes of the chain it is on.
#[test]
fn a_replaced_entry_is_there_at_every_moment() {
    check(
        &[recency],
        &[
            |world| {
                for _ in 0..4 {
                    let before = world.stored(0);
                    let after = world.stored(0);
                    assert!(after >= before, "{after:?} after {before:?}");
                }
            },
            |world| world.reload(0),
            |world| {
                world.write(0);
                world.reload(0);
                world.store.settle();
            },
            |world| {
                world.reload(1);
                world.write_and_invalidate(1);
                world.store.settle();
            },
        ],
    );
}
