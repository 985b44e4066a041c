//! Readers, writers, invalidations, failing sources and cancellations at random, on values with revisions. Each read is checked:
//! a reload gives nothing older than the revision its caller has read, nothing is kept under a revision newer than its data,
//! and nothing comes back from before an invalidation.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::revision::{Lookup, OnChange, Revised, Status};
use cache_core::{Cache, Clock};
use support::{soon, until};
use tokio::task::yield_now;

const KEYS: u64 = 3;
const TASKS: u64 = 10;
const STEPS: u64 = 3_000;

struct World {
    cache: Cache<u64, Revised<u64>>,
    clock: Clock,
    on_change: OnChange,
    /// What is committed of each key: its data and its revision at once.
    versions: Vec<AtomicU64>,
    /// What an invalidation that has returned has taken away all below of.
    floors: Vec<AtomicU64>,
    steps: AtomicU64,
}

fn at(all: &[AtomicU64], key: u64) -> &AtomicU64 {
    &all[usize::try_from(key).unwrap()]
}

/// A failure knows what was there: one that is shared may not be older than a value may.
#[derive(Clone, Debug)]
struct Down(u64);

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the load of {} failed", self.0)
    }
}

/// A small generator, so that a run needs nothing else (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

impl World {
    fn version(&self, key: u64) -> u64 {
        at(&self.versions, key).load(SeqCst)
    }

    async fn loiter(&self) {
        for _ in 0..self.steps.fetch_add(1, SeqCst) % 4 {
            yield_now().await;
        }
    }

    async fn revision(&self, key: u64) -> Result<u64, &'static str> {
        self.loiter().await;
        let revision = self.version(key);
        self.loiter().await;
        if self.steps.load(SeqCst).is_multiple_of(11) {
            return Err("the source is down");
        }
        Ok(revision)
    }

    async fn load(self: Arc<Self>, key: u64) -> Result<u64, Down> {
        self.loiter().await;
        let value = self.version(key);
        self.loiter().await;
        if self.steps.load(SeqCst).is_multiple_of(13) {
            return Err(Down(value));
        }
        Ok(value)
    }

    async fn checked(self: &Arc<Self>, key: u64, by_task: bool) {
        let floor = at(&self.floors, key).load(SeqCst);
        let mut read = None;
        let revision = async {
            let revision = self.revision(key).await?;
            read = Some(revision);
            Ok::<_, &'static str>(revision)
        };
        let load = || Arc::clone(self).load(key);
        let found: Result<Lookup<u64>, _> = if by_task {
            self.cache.try_spawn_at_revision(key, revision, load).await
        } else {
            self.cache.try_get_at_revision(key, revision, load).await
        };
        let found = match found {
            Ok(found) => found,
            Err(Down(version)) => {
                assert!(
                    version >= floor,
                    "a failure of {version} is of before an invalidation, {floor}"
                );
                assert!(
                    Some(version) >= read,
                    "a failure of {version}, and its caller has read {read:?}"
                );
                return;
            }
        };
        assert!(found.value >= floor, "{found:?} is of before an invalidation, {floor}");
        if let Some(kept_under) = &found.revision {
            let kept_under = *kept_under.downcast_ref::<u64>().unwrap();
            assert!(found.value >= kept_under, "{found:?} is kept under {kept_under}");
        }
        match read {
            Some(read) if found.status != Status::Stale => {
                assert!(found.value >= read, "{found:?}, and its caller has read {read}");
            }
            Some(_) => assert_eq!(self.on_change, OnChange::Stale),
            None => assert_ne!(found.status, Status::HitRevision),
        }
    }

    async fn step(self: &Arc<Self>, chance: u64) {
        let key = chance % KEYS;
        match chance >> 8 & 31 {
            0..=3 => drop(at(&self.versions, key).fetch_add(1, SeqCst)),
            4 => {
                let version = self.version(key);
                self.cache.invalidate(&key).await;
                at(&self.floors, key).fetch_max(version, SeqCst);
            }
            5 => {
                let guard = self.cache.begin_mutation(&key).await;
                self.loiter().await;
                let version = at(&self.versions, key).fetch_add(1, SeqCst) + 1;
                self.loiter().await;
                guard.finish().await;
                at(&self.floors, key).fetch_max(version, SeqCst);
            }
            6 if chance.is_multiple_of(7) => {
                let versions: Vec<_> = (0..KEYS).map(|key| self.version(key)).collect();
                self.cache.clear().await;
                for (floor, version) in self.floors.iter().zip(versions) {
                    floor.fetch_max(version, SeqCst);
                }
            }
            7 => self.clock.advance(Duration::from_secs(1)),
            8 => {
                // Dropped half way.
                let mut call = Box::pin(self.checked(key, false));
                if futures::poll!(&mut call).is_pending() {
                    yield_now().await;
                    let _ = futures::poll!(&mut call);
                }
            }
            kind => self.checked(key, kind.is_multiple_of(2)).await,
        }
    }
}

async fn run(on_change: OnChange, seed: u64) {
    let clock = Clock::manual();
    let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let world = Arc::new(World {
        cache: Cache::builder()
            .max_size(if seed.is_multiple_of(2) { 2 } else { 100 })
            .on_change(on_change)
            .max_stale(Duration::from_secs(3))
            .retry_after(Duration::from_millis(1))
            .clock(clock.clone())
            .build(),
        clock,
        on_change,
        versions: zeros(),
        floors: zeros(),
        steps: AtomicU64::new(0),
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let world = Arc::clone(&world);
            let mut state = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (task + 1);
            tokio::spawn(async move {
                for _ in 0..STEPS {
                    let chance = random(&mut state);
                    world.step(chance).await;
                }
            })
        })
        .collect();
    for task in tasks {
        soon(task).await.unwrap();
    }
    // When all is quiet, a call finds what is there, and nothing is claimed for ever.
    for key in 0..KEYS {
        let latest = world.version(key);
        world.clock.advance(Duration::from_secs(1));
        let call = || {
            world
                .cache
                .spawn_at_revision(key, async { latest }, || async move { latest })
        };
        call().await;
        until(|| world.cache.peek(&key).is_some_and(|kept| *kept.value() == latest)).await;
        let found = call().await;
        assert_eq!(found.value, latest);
    }
    let stats = world.cache.stats();
    println!("{on_change:?} {seed}: {stats:?}");
    assert!(stats.hits > 0 && stats.loads > 0 && stats.coalesced > 0);
    if on_change == OnChange::Stale {
        assert!(stats.refreshes > 0 && stats.stale > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_read_is_as_new_as_it_has_to_be() {
    for seed in 0..6 {
        run(OnChange::Reload, seed).await;
        run(OnChange::Stale, seed).await;
    }
}
