//! The same for tags, on whole caches: those who load, invalidate, mutate, insert and go away, in every order.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use super::{KEYS, RUNS, all_at_once};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::mutation::MutationGuard;
use crate::store::Store as _;
use crate::tag::{Index, Tag};

/// Caches that share tags, whole: `Cache` with its flights, its store, and an index of tags.
struct Tagged {
    /// The version of the data behind all of them, and what nobody may see less than any more.
    database: AtomicU64,
    /// For each cache, because there are tags that only one of them has.
    floors: [AtomicU64; 2],
    index: &'static Index,
    clock: Clock,
    /// One whose keys tell the tag, and one whose values do.
    caches: [Cache<u64, u64>; 2],
}

/// How long the entries of these caches live.
const TTL: Duration = Duration::from_secs(1);

impl Tagged {
    fn new(max_size: usize) -> Arc<Self> {
        let index = &*Box::leak(Box::new(Index::new()));
        let clock = Clock::manual();
        let builder = || {
            let mut builder = Cache::<u64, u64>::builder()
                .max_size(max_size)
                .ttl(TTL)
                .clock(clock.clone());
            builder.index = Some(index);
            builder
        };
        Arc::new(Self {
            database: AtomicU64::new(0),
            floors: [AtomicU64::new(0), AtomicU64::new(0)],
            index,
            caches: [
                builder().tags(|_| ["first", "t"]).build(),
                builder().tag_fn(|_| ["t", "v"]).build(),
            ],
            clock,
        })
    }

    fn call(&self, cache: usize) {
        self.call_key(cache, 0);
    }

    fn call_key(&self, cache: usize, key: u64) {
        let floor = self.floors[cache].load(Ordering::SeqCst);
        let load = || async {
            let seen = self.database.load(Ordering::SeqCst);
            shuttle::future::yield_now().await;
            seen
        };
        let seen = shuttle::future::block_on(self.caches[cache].get_or_load(key, load));
        assert!(
            seen >= floor,
            "a call that began after an invalidation got version {seen} < {floor}"
        );
    }

    fn reload(&self, cache: usize) {
        let load = || async { self.database.load(Ordering::SeqCst) };
        shuttle::future::block_on(self.caches[cache].refresh(0, load));
    }

    /// A caller that is dropped while it loads, or while it waits.
    fn call_and_give_up(&self, cache: usize) {
        let load = || async {
            let seen = self.database.load(Ordering::SeqCst);
            shuttle::future::yield_now().await;
            seen
        };
        let mut call = Box::pin(self.caches[cache].get_or_load(0, load));
        let _ = (&mut call).now_or_never();
        thread::yield_now();
    }

    fn write(&self) -> u64 {
        self.database.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn write_and_invalidate(&self) {
        self.write_and_invalidate_one("t", &[0, 1]);
    }

    /// By a tag, which these caches have.
    fn write_and_invalidate_one(&self, tag: &str, caches: &[usize]) {
        let version = self.write();
        shuttle::future::block_on(self.index.invalidate(&Tag::user(tag)));
        self.raise_floor(version, caches);
    }

    fn raise_floor(&self, to: u64, caches: &[usize]) {
        for cache in caches {
            self.floors[*cache].fetch_max(to, Ordering::SeqCst);
        }
    }

    /// A mutation during which somebody stores what will be outdated.
    fn mutate_and_insert(&self) {
        let guard = MutationGuard::tag(self.index, Tag::user("t"));
        let before = self.database.load(Ordering::SeqCst);
        for cache in &self.caches {
            shuttle::future::block_on(cache.insert(0, before));
            assert_eq!(cache.peek(&0), None, "kept during a mutation");
        }
        let version = self.write();
        drop(guard);
        self.raise_floor(version, &[0, 1]);
    }

    fn mutate(&self) {
        let guard = MutationGuard::tag(self.index, Tag::user("t"));
        for cache in &self.caches {
            assert_eq!(cache.peek(&0), None, "kept during a mutation");
        }
        let version = self.write();
        for cache in &self.caches {
            assert_eq!(cache.peek(&0), None, "kept during a mutation");
        }
        drop(guard);
        self.raise_floor(version, &[0, 1]);
    }

    /// Nothing stale is kept, and the index knows of what is kept and of nothing else.
    fn check_rest(&self) {
        let mut kept = 0;
        for (cache, floor) in self.caches.iter().zip(&self.floors) {
            let floor = floor.load(Ordering::SeqCst);
            cache.len();
            for version in (0..KEYS).filter_map(|key| cache.peek(&key)) {
                assert!(version >= floor, "version {version} < {floor} is kept");
                kept += 1;
            }
            cache.shared().store.settle();
            assert_eq!(cache.shared().flights.occupancy(), 0);
        }
        let (records, notes) = self.index.occupancy();
        assert!(records <= 1 + kept && notes == 0, "{records} records, {notes} notes");
    }
}

fn check_tags(actions: &'static [fn(&Tagged)]) {
    check_tags_in(100, actions);
}

fn check_tags_in(max_size: usize, actions: &'static [fn(&Tagged)]) {
    let run = move || {
        let world = Tagged::new(max_size);
        all_at_once(&world, actions);
        world.check_rest();
        (0..2).for_each(|cache| world.call(cache));
        world.check_rest();
    };
    shuttle::check_random(run, RUNS / 2);
    shuttle::check_pct(run, RUNS / 4, 3);
}

#[test]
fn an_invalidated_tag_takes_loads_along() {
    check_tags(&[
        |world| world.call(0),
        |world| {
            world.call(1);
            world.call(0);
        },
        |world| {
            world.write_and_invalidate();
            world.call(1);
        },
        |world| {
            world.write_and_invalidate();
            world.call(0);
        },
    ]);
}

#[test]
fn a_mutated_tag_keeps_loads_out() {
    check_tags(&[
        |world| world.call(0),
        |world| {
            world.call(1);
            world.call(0);
        },
        |world| {
            world.mutate();
            world.call(1);
        },
        |world| {
            world.reload(0);
            world.reload(1);
        },
    ]);
}

/// Two tags of one entry, invalidated by two at once, and one of another cache.
#[test]
fn each_tag_of_an_entry_tagged_twice_takes_it_along() {
    check_tags(&[
        |world| {
            world.call(0);
            world.call(1);
        },
        |world| {
            world.write_and_invalidate_one("first", &[0]);
            world.call(0);
        },
        |world| {
            world.write_and_invalidate_one("v", &[1]);
            world.call(1);
        },
        |world| {
            world.write_and_invalidate();
            world.call(0);
        },
    ]);
}

#[test]
fn leaders_that_go_away_leave_tagged_loads_to_others() {
    check_tags(&[
        |world| {
            world.call_and_give_up(0);
            world.call_and_give_up(1);
        },
        |world| {
            world.call(1);
            world.call(0);
        },
        |world| {
            world.write_and_invalidate();
            world.call(1);
        },
        |world| {
            world.call_and_give_up(1);
            world.call(0);
        },
    ]);
}

#[test]
fn what_is_inserted_under_the_fence_of_a_tag_is_not_kept() {
    check_tags(&[
        |world| {
            world.call(0);
            world.call(1);
        },
        |world| world.mutate_and_insert(),
        |world| {
            world.mutate();
            world.call(1);
        },
        |world| {
            world.write_and_invalidate_one("first", &[0]);
            world.call(0);
        },
    ]);
}

#[test]
fn tagged_entries_that_go_for_want_of_room_or_of_time_take_part() {
    check_tags_in(
        1,
        &[
            |world| {
                world.call_key(0, 1);
                world.call_key(1, 1);
                world.call(0);
            },
            |world| {
                world.clock.advance(TTL);
                world.call(1);
            },
            |world| {
                world.write_and_invalidate();
                world.call_key(1, 1);
            },
            |world| {
                world.mutate();
                world.reload(0);
            },
        ],
    );
}
