//! Everything at once: readers, writers, reloads, clears, evictions, expiry and cancellations in random order, every read
//! checked against what the database held when it began.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Cache, Clock, Policy, cached_in, invalidates};

const KEYS: u64 = 24;
const TASKS: u64 = 12;
const STEPS: u64 = 4_000;

struct World {
    cache: Cache<u64, u64>,
    clock: Clock,
    rows: Vec<AtomicU64>,
    /// What a call that starts now must at least see.
    committed: Vec<AtomicU64>,
    reads: AtomicU64,
}

fn at(all: &[AtomicU64], key: u64) -> &AtomicU64 {
    &all[usize::try_from(key).unwrap()]
}

impl World {
    #[cached_in(self.cache)]
    async fn row(&self, key: u64) -> Result<u64, String> {
        self.read(key).await
    }

    async fn read(&self, key: u64) -> Result<u64, String> {
        let value = at(&self.rows, key).load(Ordering::SeqCst);
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        match reads % 13 {
            0 => Err("down".to_owned()),
            1 => {
                tokio::task::yield_now().await;
                Ok(value)
            }
            _ => Ok(value),
        }
    }

    async fn checked(&self, key: u64) {
        let floor = at(&self.committed, key).load(Ordering::SeqCst);
        if let Ok(value) = self.row(key).await {
            assert!(value >= floor, "key {key}: {value} is older than {floor}");
        }
    }

    #[invalidates(self.cache(key))]
    async fn write(&self, key: u64) -> u64 {
        tokio::task::yield_now().await;
        let version = at(&self.rows, key).fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        version
    }

    async fn write_and_commit(&self, key: u64) {
        let version = self.write(key).await;
        at(&self.committed, key).fetch_max(version, Ordering::SeqCst);
    }

    async fn write_and_clear(&self) {
        let versions: Vec<_> = self
            .rows
            .iter()
            .map(|row| row.fetch_add(1, Ordering::SeqCst) + 1)
            .collect();
        self.cache.clear().await;
        for (committed, version) in self.committed.iter().zip(versions) {
            committed.fetch_max(version, Ordering::SeqCst);
        }
    }
}

/// A small generator, so that a run needs nothing else (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_is_older_than_what_was_committed_before_it_began() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let clock = Clock::manual();
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        let world = Arc::new(World {
            cache: Cache::builder()
                .name("stress")
                .max_size(16)
                .policy(policy)
                .ttl(Duration::from_secs(10))
                .clock(clock.clone())
                .build(),
            clock,
            rows: zeros(),
            committed: zeros(),
            reads: AtomicU64::new(2),
        });
        let tasks: Vec<_> = (1..=TASKS)
            .map(|task| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let mut state = task.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    for _ in 0..STEPS {
                        let key = random(&mut state) % KEYS;
                        match random(&mut state) % 256 {
                            0..220 => world.checked(key).await,
                            220..236 => world.write_and_commit(key).await,
                            236..240 => {
                                let _ = world.cache.try_refresh(key, || world.read(key)).await;
                            }
                            240..246 => world.clock.advance(Duration::from_secs(5)),
                            246..248 => world.write_and_clear().await,
                            248..251 => {
                                // A reader that goes away half way.
                                let world = Arc::clone(&world);
                                let reader = tokio::spawn(async move { world.checked(key).await });
                                tokio::task::yield_now().await;
                                reader.abort();
                                if let Err(error) = reader.await {
                                    assert!(error.is_cancelled(), "{error}");
                                }
                            }
                            251..254 => {
                                // A writer that goes away half way.
                                let world = Arc::clone(&world);
                                let writer = tokio::spawn(async move { world.write_and_commit(key).await });
                                tokio::task::yield_now().await;
                                writer.abort();
                                let _ = writer.await;
                            }
                            _ => {
                                let guard = world.cache.begin_mutation_all().await;
                                let version = at(&world.rows, key).fetch_add(1, Ordering::SeqCst) + 1;
                                guard.finish().await;
                                at(&world.committed, key).fetch_max(version, Ordering::SeqCst);
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        for key in 0..KEYS {
            if let Some(kept) = world.cache.peek(&key) {
                assert!(kept >= at(&world.committed, key).load(Ordering::SeqCst));
            }
        }
        let stats = world.cache.stats();
        assert!(
            stats.hits > 0 && stats.coalesced > 0 && stats.evictions > 0 && stats.expirations > 0,
            "{stats}"
        );
        assert!(stats.len <= 16);
    }
}
