//! Everything at once: readers, writers, reloads, clears, evictions, expiry and cancellations in random order, every read
//! checked against what the database held when it began. Afterwards nothing is left of what went through.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::{Cache, Clock, LoadTimeout, Policy, begin_tag_mutation, cached_in, invalidate_tag, invalidates};

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

/// A failure knows what was in the database: one that is kept may not be older than a value may.
#[derive(Clone, Debug)]
struct Down(u64);

impl From<LoadTimeout> for Down {
    fn from(timeout: LoadTimeout) -> Self {
        unreachable!("there is no limit: {timeout}")
    }
}

impl World {
    #[cached_in(self.cache)]
    async fn row(&self, key: u64) -> Result<u64, Down> {
        self.read(key).await
    }

    async fn read(&self, key: u64) -> Result<u64, Down> {
        let value = at(&self.rows, key).load(Ordering::SeqCst);
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        match reads % 13 {
            0 => Err(Down(value)),
            1 => {
                tokio::task::yield_now().await;
                Ok(value)
            }
            _ => Ok(value),
        }
    }

    async fn checked(&self, key: u64) {
        let floor = at(&self.committed, key).load(Ordering::SeqCst);
        let (Ok(value) | Err(Down(value))) = self.row(key).await;
        assert!(value >= floor, "key {key}: {value} is older than {floor}");
    }

    /// By a load that is a task of its own, and may go on in the background.
    async fn checked_by_task(self: &Arc<Self>, key: u64) {
        let floor = at(&self.committed, key).load(Ordering::SeqCst);
        let this = Arc::clone(self);
        let load = || async move { this.read(key).await };
        let (Ok(value) | Err(Down(value))) = self.cache.try_get_or_spawn(key, load).await;
        assert!(value >= floor, "key {key}: {value} is older than {floor}");
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

    async fn write_and_invalidate_tag(&self, tag: String, key: u64) {
        let version = at(&self.rows, key).fetch_add(1, Ordering::SeqCst) + 1;
        invalidate_tag(tag).await;
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

fn tag_of(policy: Policy, key: u64) -> String {
    format!("stress:{policy:?}:{key}")
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
                .refresh_ahead(0.5)
                .jitter(0.2)
                .stale_while_revalidate(Duration::from_secs(10))
                .stale_if_error(Duration::from_secs(20))
                .err_ttl(Duration::from_secs(5))
                .clock(clock.clone())
                .tags(move |key| [tag_of(policy, *key)])
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
                            0..110 => world.checked(key).await,
                            110..220 => world.checked_by_task(key).await,
                            220..230 => world.write_and_commit(key).await,
                            230..236 => world.write_and_invalidate_tag(tag_of(policy, key), key).await,
                            236..240 => {
                                let _ = world.cache.try_refresh(key, || world.read(key)).await;
                            }
                            240..246 => world.clock.advance(Duration::from_secs(5)),
                            246..248 => world.write_and_clear().await,
                            248..251 => {
                                // A reader that goes away half way.
                                let world = Arc::clone(&world);
                                let reader = tokio::spawn(async move {
                                    if key.is_multiple_of(2) {
                                        world.checked(key).await;
                                    } else {
                                        world.checked_by_task(key).await;
                                    }
                                });
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
        assert!(
            stats.stale > 0 && stats.refreshes > 0 && stats.negative_hits > 0,
            "{stats}"
        );
        assert!(stats.len <= 16);
    }
}

/// A value of some size, of which it is known how many there are.
#[derive(Clone)]
struct Page(Arc<Tracked>);

struct Tracked {
    key: u64,
    version: u64,
    _bytes: Vec<u8>,
    living: Arc<AtomicI64>,
}

impl Page {
    fn new(key: u64, version: u64, living: &Arc<AtomicI64>) -> Self {
        living.fetch_add(1, Ordering::SeqCst);
        Self(Arc::new(Tracked {
            key,
            version,
            _bytes: vec![0; 4096],
            living: Arc::clone(living),
        }))
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Real threads on the real clock for some seconds, a minute where all is tested. The cache is small for the keys, so that most
/// of what is loaded is evicted, expires, or is cleared soon.
#[test]
fn nothing_stale_is_read_and_nothing_is_left_over_for_as_long_as_it_takes() {
    const PAGES: u64 = 400;
    const CAPACITY: u64 = 100;
    let seconds = std::env::var("CACHE_STRESS_SECONDS").map_or(4, |seconds| seconds.parse().expect("a number"));
    let caches = [Policy::Lru, Policy::TinyLfu].into_iter().flat_map(|policy| {
        let by_entries = Cache::builder()
            .max_size(usize::try_from(CAPACITY).unwrap())
            .policy(policy);
        let by_weight = Cache::builder().max_weight(CAPACITY * 4096, |_, _| 4096).policy(policy);
        [by_entries, by_weight].map(|builder| (policy, builder.ttl(Duration::from_millis(2))))
    });
    for (nth, (policy, builder)) in caches.enumerate() {
        let cache = builder
            .tags(move |key| [format!("stress-key:{nth}:{key}")])
            .tag_fn(move |page: &Page| [format!("stress-page:{nth}:{}", page.0.key)])
            .build();
        let cache: Cache<u64, Page> = cache;
        let living = Arc::new(AtomicI64::new(0));
        let zeros = || -> Vec<AtomicU64> { (0..PAGES).map(|_| AtomicU64::new(0)).collect() };
        let (rows, committed) = (&zeros(), &zeros());
        let until = Instant::now() + Duration::from_millis(seconds * 1_000 / 4);
        let calls = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 1..=4_u64 {
                let (cache, living, calls) = (&cache, &living, &calls);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                scope.spawn(move || {
                    let mut state = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let load = |key| async move {
                        let version = at(rows, key).load(Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        Page::new(key, version, living)
                    };
                    while Instant::now() < until {
                        calls.fetch_add(1, Ordering::Relaxed);
                        // Most of the time the first quarter, so that there are hits as well.
                        let range = if random(&mut state).is_multiple_of(4) {
                            PAGES
                        } else {
                            PAGES / 4
                        };
                        let key = random(&mut state) % range;
                        let floor = at(committed, key).load(Ordering::SeqCst);
                        match random(&mut state) % 1_000 {
                            0..900 => {
                                let page = runtime.block_on(cache.get_or_load(key, || load(key)));
                                assert!(
                                    page.0.version >= floor,
                                    "{} of {key} is older than {floor}",
                                    page.0.version
                                );
                            }
                            900..940 => {
                                if let Some(page) = cache.get(&key) {
                                    assert!(
                                        page.0.version >= floor,
                                        "{} of {key} is older than {floor}",
                                        page.0.version
                                    );
                                }
                            }
                            // By what its key or what its value tells.
                            die @ 940..950 => {
                                let of = if die < 945 { "key" } else { "page" };
                                let version = at(rows, key).fetch_add(1, Ordering::SeqCst) + 1;
                                runtime.block_on(invalidate_tag(format!("stress-{of}:{nth}:{key}")));
                                at(committed, key).fetch_max(version, Ordering::SeqCst);
                            }
                            950..960 => {
                                let version = at(rows, key).fetch_add(1, Ordering::SeqCst) + 1;
                                cache.invalidate_local(&key);
                                at(committed, key).fetch_max(version, Ordering::SeqCst);
                            }
                            960..970 => runtime.block_on(async {
                                let guard = begin_tag_mutation(format!("stress-page:{nth}:{key}")).await;
                                let version = at(rows, key).fetch_add(1, Ordering::SeqCst) + 1;
                                guard.finish().await;
                                at(committed, key).fetch_max(version, Ordering::SeqCst);
                            }),
                            970..980 => runtime.block_on(async {
                                let guard = cache.begin_mutation(&key).await;
                                let version = at(rows, key).fetch_add(1, Ordering::SeqCst) + 1;
                                guard.finish().await;
                                at(committed, key).fetch_max(version, Ordering::SeqCst);
                            }),
                            980..999 => drop(runtime.block_on(cache.refresh(key, || load(key)))),
                            _ => runtime.block_on(cache.clear()),
                        }
                    }
                });
            }
        });
        let stats = cache.stats();
        println!("{policy:?}: {} calls, {stats}", calls.load(Ordering::SeqCst));
        assert!(stats.len <= CAPACITY, "{stats}");
        assert!(
            stats.hits > 0 && stats.evictions > 0 && stats.expirations > 0 && stats.invalidations > 0,
            "{stats}"
        );
        // What is left goes with its time, without being asked for.
        support::wait_until(|| living.load(Ordering::SeqCst) == 0);
        assert_eq!(cache.len(), 0);
    }
}
