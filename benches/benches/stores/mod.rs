//! What entries are put into: this library, its peers, and a bare map, which is no cache but evicts nothing either.
//!
//! Keys and values are `u64`. For `cached` it is what its attributes keep entries in, the two that are for one thread
//! behind a lock of the standard library. All are asked by one thread, which polls what is asynchronous once.

#![allow(dead_code, reason = "each benchmark uses some of it")]

use std::hint::black_box;
use std::sync::Mutex;
use std::time::Duration;

use cache_benches::once::poll_once;
use cache_core::{Cache, Policy};
use cached::{Cached as _, CachedExt as _, LruCache, LruTtlCache, ShardedLruCache, ShardedLruTtlCache};
use moka::policy::EvictionPolicy;

/// An age that no run reaches, for who has to look at the clock.
const HOUR: Duration = Duration::from_secs(3600);

/// A place for entries that evicts when it is full, if it [is bounded](Store::BOUNDED).
pub(crate) trait Store {
    const NAME: &'static str;
    const BOUNDED: bool = true;

    fn new(bound: usize) -> Self;
    fn insert(&self, key: u64);
    fn remove(&self, key: u64);
    /// Without being a use of the entry, where that can be had.
    fn holds(&self, key: u64) -> bool;
    fn len(&self) -> usize;
    /// Does what was put off.
    fn settle(&self) {}
}

/// What is done with each store.
pub(crate) trait Visit {
    fn visit<S: Store>(&mut self);
}

/// Visits them all.
pub(crate) fn all(visit: &mut impl Visit) {
    visit.visit::<Lru>();
    visit.visit::<Ttl>();
    visit.visit::<TinyLfu>();
    visit.visit::<Mutex<LruCache<u64, u64>>>();
    visit.visit::<Mutex<LruTtlCache<u64, u64>>>();
    visit.visit::<ShardedLruCache<u64, u64>>();
    visit.visit::<ShardedLruTtlCache<u64, u64>>();
    visit.visit::<moka::sync::Cache<u64, u64>>();
    visit.visit::<MokaTinyLfu>();
    visit.visit::<moka::future::Cache<u64, u64>>();
    visit.visit::<quick_cache::sync::Cache<u64, u64>>();
    visit.visit::<fibre_cache::Cache<u64, u64>>();
    visit.visit::<Map>();
}

/// The names of them all.
pub(crate) fn names() -> Vec<&'static str> {
    struct Names(Vec<&'static str>);
    impl Visit for Names {
        fn visit<S: Store>(&mut self) {
            self.0.push(S::NAME);
        }
    }
    let mut names = Names(Vec::new());
    all(&mut names);
    names.0
}

macro_rules! of_this_library {
    ($name:ident, $text:literal, $set_up:expr) => {
        pub(crate) struct $name(Cache<u64, u64>);

        impl Store for $name {
            const NAME: &'static str = $text;

            fn new(bound: usize) -> Self {
                let set_up: fn(cache_core::Builder<u64, u64>) -> cache_core::Builder<u64, u64> = $set_up;
                Self(set_up(Cache::builder().max_size(bound)).build())
            }
            fn insert(&self, key: u64) {
                poll_once(self.0.insert(key, key));
            }
            fn remove(&self, key: u64) {
                black_box(poll_once(self.0.invalidate(&key)));
            }
            fn holds(&self, key: u64) -> bool {
                self.0.peek(&key).is_some()
            }
            fn len(&self) -> usize {
                self.0.len()
            }
        }
    };
}

of_this_library!(Lru, "Cache", |builder| builder);
of_this_library!(Ttl, "Cache, TTL", |builder| builder.ttl(HOUR));
of_this_library!(TinyLfu, "Cache, TinyLFU", |builder| builder.policy(Policy::TinyLfu));

macro_rules! of_cached_for_one_thread {
    ($store:ident, $text:literal, |$bound:ident| $new:expr) => {
        impl Store for Mutex<$store<u64, u64>> {
            const NAME: &'static str = $text;

            fn new($bound: usize) -> Self {
                Mutex::new($new)
            }
            fn insert(&self, key: u64) {
                black_box(self.lock().expect("nobody panics").set(key, key));
            }
            fn remove(&self, key: u64) {
                black_box(self.lock().expect("nobody panics").remove(&key));
            }
            fn holds(&self, key: u64) -> bool {
                self.lock().expect("nobody panics").get(&key).is_some()
            }
            fn len(&self) -> usize {
                self.lock().expect("nobody panics").cache_size()
            }
        }
    };
}

of_cached_for_one_thread!(LruCache, "cached LruCache", |bound| LruCache::new(bound));
of_cached_for_one_thread!(LruTtlCache, "cached LruTtlCache", |bound| LruTtlCache::new(bound, HOUR));

macro_rules! of_cached_in_shards {
    ($store:ident, $text:literal, |$bound:ident| $new:expr) => {
        impl Store for $store<u64, u64> {
            const NAME: &'static str = $text;

            fn new($bound: usize) -> Self {
                $new
            }
            fn insert(&self, key: u64) {
                black_box(self.set(key, key));
            }
            fn remove(&self, key: u64) {
                black_box($store::remove(self, &key));
            }
            fn holds(&self, key: u64) -> bool {
                self.get(&key).is_some()
            }
            fn len(&self) -> usize {
                $store::len(self)
            }
        }
    };
}

of_cached_in_shards!(ShardedLruCache, "cached ShardedLruCache", |bound| ShardedLruCache::new(
    bound
));
of_cached_in_shards!(ShardedLruTtlCache, "cached ShardedLruTtlCache", |bound| {
    ShardedLruTtlCache::new(bound, HOUR)
});

fn moka_sync(bound: usize, policy: EvictionPolicy) -> moka::sync::Cache<u64, u64> {
    moka::sync::Cache::builder()
        .max_capacity(bound as u64)
        .eviction_policy(policy)
        .build()
}

impl Store for moka::sync::Cache<u64, u64> {
    const NAME: &'static str = "moka sync";

    fn new(bound: usize) -> Self {
        moka_sync(bound, EvictionPolicy::lru())
    }
    fn insert(&self, key: u64) {
        moka::sync::Cache::insert(self, key, key);
    }
    fn remove(&self, key: u64) {
        self.invalidate(&key);
    }
    fn holds(&self, key: u64) -> bool {
        self.contains_key(&key)
    }
    fn len(&self) -> usize {
        self.settle();
        usize::try_from(self.entry_count()).expect("it fits into memory")
    }
    fn settle(&self) {
        self.run_pending_tasks();
    }
}

pub(crate) struct MokaTinyLfu(moka::sync::Cache<u64, u64>);

impl Store for MokaTinyLfu {
    const NAME: &'static str = "moka sync, TinyLFU";

    fn new(bound: usize) -> Self {
        Self(moka_sync(bound, EvictionPolicy::tiny_lfu()))
    }
    fn insert(&self, key: u64) {
        Store::insert(&self.0, key);
    }
    fn remove(&self, key: u64) {
        Store::remove(&self.0, key);
    }
    fn holds(&self, key: u64) -> bool {
        self.0.holds(key)
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn settle(&self) {
        self.0.settle();
    }
}

impl Store for moka::future::Cache<u64, u64> {
    const NAME: &'static str = "moka future";

    fn new(bound: usize) -> Self {
        moka::future::Cache::builder()
            .max_capacity(bound as u64)
            .eviction_policy(EvictionPolicy::lru())
            .build()
    }
    fn insert(&self, key: u64) {
        poll_once(moka::future::Cache::insert(self, key, key));
    }
    fn remove(&self, key: u64) {
        poll_once(self.invalidate(&key));
    }
    fn holds(&self, key: u64) -> bool {
        self.contains_key(&key)
    }
    fn len(&self) -> usize {
        self.settle();
        usize::try_from(self.entry_count()).expect("it fits into memory")
    }
    fn settle(&self) {
        poll_once(self.run_pending_tasks());
    }
}

impl Store for quick_cache::sync::Cache<u64, u64> {
    const NAME: &'static str = "quick_cache";

    fn new(bound: usize) -> Self {
        quick_cache::sync::Cache::new(bound)
    }
    fn insert(&self, key: u64) {
        quick_cache::sync::Cache::insert(self, key, key);
    }
    fn remove(&self, key: u64) {
        black_box(quick_cache::sync::Cache::remove(self, &key));
    }
    fn holds(&self, key: u64) -> bool {
        self.contains_key(&key)
    }
    fn len(&self) -> usize {
        quick_cache::sync::Cache::len(self)
    }
}

impl Store for fibre_cache::Cache<u64, u64> {
    const NAME: &'static str = "fibre_cache";

    fn new(bound: usize) -> Self {
        fibre_cache::CacheBuilder::default()
            .capacity(bound as u64)
            .build()
            .expect("it is set up as it asks for")
    }
    fn insert(&self, key: u64) {
        fibre_cache::Cache::insert(self, key, key, 1);
    }
    fn remove(&self, key: u64) {
        black_box(self.invalidate(&key));
    }
    fn holds(&self, key: u64) -> bool {
        self.peek(&key).is_some()
    }
    fn len(&self) -> usize {
        usize::try_from(self.metrics().current_cost).expect("it fits into memory")
    }
    fn settle(&self) {
        self.run_maintenance();
    }
}

/// A map that all threads share, and that keeps all.
type Map = papaya::HashMap<u64, u64, foldhash::fast::RandomState>;

impl Store for Map {
    const NAME: &'static str = "papaya, a map";
    const BOUNDED: bool = false;

    fn new(_: usize) -> Self {
        Self::default()
    }
    fn insert(&self, key: u64) {
        black_box(self.pin().insert(key, key));
    }
    fn remove(&self, key: u64) {
        black_box(self.pin().remove(&key));
    }
    fn holds(&self, key: u64) -> bool {
        self.pin().contains_key(&key)
    }
    fn len(&self) -> usize {
        papaya::HashMap::len(self)
    }
}
