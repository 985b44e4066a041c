//! Batches, warm-up and bulk calls at random, together with every way to invalidate and with callers that go away. Every value
//! that is read is checked against what the table held when the read began; afterwards nothing is under way any more.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Batched, Cache, Clock, Policy, begin_tag_mutation, invalidate_tag, session};
use support::soon;

const KEYS: u64 = 32;
const TASKS: u64 = 12;
const STEPS: u64 = 1_500;

/// The versions of the rows, and those that a call which starts now must at least see.
struct Rows {
    current: Vec<AtomicU64>,
    committed: Vec<AtomicU64>,
    calls: AtomicU64,
}

impl Rows {
    fn new() -> Arc<Self> {
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            current: zeros(),
            committed: zeros(),
            calls: AtomicU64::new(0),
        })
    }

    fn row(&self, key: u64) -> &AtomicU64 {
        &self.current[usize::try_from(key).unwrap()]
    }

    fn floor(&self, key: u64) -> &AtomicU64 {
        &self.committed[usize::try_from(key).unwrap()]
    }

    fn write(&self, key: u64) -> u64 {
        self.row(key).fetch_add(1, Ordering::SeqCst) + 1
    }

    fn commit(&self, key: u64, version: u64) {
        self.floor(key).fetch_max(version, Ordering::SeqCst);
    }

    /// Reads all at once, and takes its time to say so. Now and then it fails, panics, or finds nothing for some.
    async fn read(&self, keys: Vec<u64>) -> Result<Vec<(u64, u64)>, &'static str> {
        let versions: Vec<_> = keys
            .into_iter()
            .map(|key| (key, self.row(key).load(Ordering::SeqCst)))
            .collect();
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        for _ in 0..call % 4 {
            tokio::task::yield_now().await;
        }
        match call % 31 {
            0 => Err("down"),
            // Which does not print anything, as often as it happens.
            1 => std::panic::resume_unwind(Box::new("told to panic")),
            2..6 => Ok(versions.into_iter().filter(|(key, _)| key % 3 > 0).collect()),
            _ => Ok(versions),
        }
    }
}

fn check(key: u64, floor: u64, version: u64) {
    assert!(version >= floor, "key {key}: {version} is older than {floor}");
}

/// A small generator, so that a run needs nothing else (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A few keys, some of them twice.
fn some(state: &mut u64) -> Vec<u64> {
    (0..random(state) % 12).map(|_| random(state) % KEYS).collect()
}

#[derive(Clone)]
struct World {
    cache: Cache<u64, u64>,
    batched: Batched<u64, u64, &'static str>,
    rows: Arc<Rows>,
    clock: Clock,
    nth: usize,
}

impl World {
    fn new(nth: usize, policy: Policy, window: Duration) -> Self {
        let (clock, rows) = (Clock::manual(), Rows::new());
        let cache = Cache::builder()
            .name("batch stress")
            .max_size(24)
            .policy(policy)
            .ttl(Duration::from_secs(10))
            .stale_while_revalidate(Duration::from_secs(10))
            .stale_if_error(Duration::from_secs(20))
            .none_ttl(Duration::from_secs(5))
            .err_ttl(Duration::from_secs(1))
            .clock(clock.clone())
            .tags(move |key| [format!("batch-stress:{nth}:{key}")])
            .tag_fn(move |version| [format!("batch-stress-version:{nth}:{}", version % 7)])
            .build();
        let batched = cache.batched(window, 6, {
            let rows = Arc::clone(&rows);
            move |keys| {
                let rows = Arc::clone(&rows);
                async move { rows.read(keys).await }
            }
        });
        Self {
            cache,
            batched,
            rows,
            clock,
            nth,
        }
    }

    async fn get(&self, key: u64) {
        let floor = self.rows.floor(key).load(Ordering::SeqCst);
        if let Ok(Some(version)) = self.batched.get(key).await {
            check(key, floor, version);
        }
    }

    async fn get_many(&self, keys: Vec<u64>) {
        let floors: Vec<_> = self.rows.committed.iter().map(|it| it.load(Ordering::SeqCst)).collect();
        if let Ok(found) = self.batched.get_many(keys).await {
            for (key, version) in found {
                check(key, floors[usize::try_from(key).unwrap()], version);
            }
        }
    }

    async fn change(&self, key: u64, how: u64) {
        let rows = &self.rows;
        match how {
            0 => {
                let version = rows.write(key);
                self.cache.invalidate(&key).await;
                rows.commit(key, version);
            }
            1 => {
                let keys = [key, (key + 1) % KEYS, key];
                let versions = keys.map(|key| (key, rows.write(key)));
                self.cache.invalidate_many(&keys).await;
                for (key, version) in versions {
                    rows.commit(key, version);
                }
            }
            2 => {
                let guard = self.cache.begin_mutation(&key).await;
                tokio::task::yield_now().await;
                let version = rows.write(key);
                guard.finish().await;
                rows.commit(key, version);
            }
            3 => {
                let version = rows.write(key);
                invalidate_tag(format!("batch-stress:{}:{key}", self.nth)).await;
                rows.commit(key, version);
            }
            4 => {
                let guard = begin_tag_mutation(format!("batch-stress:{}:{key}", self.nth)).await;
                let version = rows.write(key);
                guard.finish().await;
                rows.commit(key, version);
            }
            5 => {
                let versions: Vec<_> = (0..KEYS).map(|key| (key, rows.write(key))).collect();
                self.cache.clear().await;
                for (key, version) in versions {
                    rows.commit(key, version);
                }
            }
            _ => {
                let guard = self.cache.begin_mutation_all().await;
                let version = rows.write(key);
                drop(guard);
                rows.commit(key, version);
            }
        }
    }

    async fn step(&self, state: &mut u64) {
        let key = random(state) % KEYS;
        match random(state) % 100 {
            0..45 => self.get(key).await,
            45..65 => self.get_many(some(state)).await,
            65..69 => drop(self.batched.refresh(key).await),
            69..73 => {
                let rows = &self.rows;
                let load = |key| async move {
                    let found = rows.read(vec![key]).await?;
                    found.first().map(|(_, version)| *version).ok_or("nothing")
                };
                self.cache.warm(some(state), 4, load).await;
            }
            73..77 => {
                let keys = some(state);
                let floors: Vec<_> = keys
                    .iter()
                    .map(|key| self.rows.floor(*key).load(Ordering::SeqCst))
                    .collect();
                for ((key, floor), version) in keys.iter().zip(floors).zip(self.cache.get_many(&keys)) {
                    if let Some(version) = version {
                        check(*key, floor, version);
                    }
                }
            }
            77..80 => {
                // A caller that goes away, perhaps the one who has opened a batch.
                let world = self.clone();
                let reader = tokio::spawn(async move { world.get(key).await });
                tokio::task::yield_now().await;
                reader.abort();
                let _ = reader.await;
            }
            80..84 => session::scope((key % 3).to_string(), self.get(key)).await,
            84..87 => self.clock.advance(Duration::from_secs(4)),
            _ => self.change(key, random(state) % 7).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_is_older_than_what_was_committed_before_it_began() {
    let worlds = [
        (Policy::Lru, Duration::ZERO),
        (Policy::Lru, Duration::from_micros(500)),
        (Policy::TinyLfu, Duration::ZERO),
    ];
    for (nth, (policy, window)) in worlds.into_iter().enumerate() {
        let world = World::new(nth, policy, window);
        let steps = if window.is_zero() { STEPS } else { STEPS / 5 };
        let tasks: Vec<_> = (1..=TASKS)
            .map(|task| {
                let world = world.clone();
                tokio::spawn(async move {
                    let mut state = task.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    for _ in 0..steps {
                        let (world, mut own) = (world.clone(), random(&mut state) | 1);
                        if let Err(error) = tokio::spawn(async move { world.step(&mut own).await }).await {
                            let panic = error.into_panic();
                            assert_eq!(
                                panic.downcast_ref(),
                                Some(&"told to panic"),
                                "{:?}",
                                panic.downcast_ref::<String>()
                            );
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            // Nothing that works comes near it.
            let done = tokio::time::timeout(Duration::from_secs(300), task).await;
            done.expect("this should not hang").unwrap();
        }
        for key in 0..KEYS {
            if let Some(kept) = world.cache.peek(&key) {
                assert!(kept >= world.rows.floor(key).load(Ordering::SeqCst));
            }
            // Whatever went wrong, each key can still be loaded.
            let loaded = soon(world.cache.refresh(key, || async { u64::MAX })).await;
            assert_eq!(loaded, u64::MAX);
            if policy == Policy::Lru {
                assert_eq!(world.cache.peek(&key), Some(u64::MAX));
            }
        }
        let stats = world.cache.stats();
        assert!(
            stats.hits > 0
                && stats.coalesced > 0
                && stats.batches > 0
                && stats.loads > stats.batches
                && stats.refreshes > 0,
            "{stats}"
        );
    }
}
