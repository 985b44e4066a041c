//! P1 and P2 for values with revisions: once an invalidation has returned, no call that starts later returns, and nothing keeps, a
//! value whose load started before it returned, whatever the revision says. For each way to invalidate and each way to load.

#![allow(
    clippy::unwrap_used,
    clippy::type_complexity,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::revision::{OnChange, Revised, Status};
use cache_core::{Cache, Clock, begin_tag_mutation, invalidate_tag};
use support::{Source, soon};

const KEY: u64 = 7;
const MAX_STALE: Duration = Duration::from_secs(60);

type Loading = Pin<Box<dyn Future<Output = u64> + Send>>;
type Invalidating = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone)]
struct Subject {
    cache: Cache<u64, Revised<u64>>,
    clock: Clock,
    tag: Arc<str>,
    source: Arc<Source>,
}

fn subject(on_change: OnChange) -> Subject {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let tag: Arc<str> = format!("revision coherence:{}", NEXT.fetch_add(1, Ordering::Relaxed)).into();
    let (of_key, clock) = (Arc::clone(&tag), Clock::manual());
    Subject {
        cache: Cache::builder()
            .on_change(on_change)
            .max_stale(MAX_STALE)
            .clock(clock.clone())
            .tags(move |key| [format!("{of_key}:{key}"), of_key.to_string()])
            .build(),
        clock,
        tag,
        source: Arc::new(Source::new(1)),
    }
}

impl Subject {
    /// By a load of its caller's, at this revision.
    async fn here(self, revision: u64) -> u64 {
        let load = || self.source.read();
        self.cache.get_at_revision(KEY, async { revision }, load).await.value
    }

    /// By a task.
    async fn spawned(self, revision: u64) -> u64 {
        let source = Arc::clone(&self.source);
        let load = || async move { source.read().await };
        self.cache.spawn_at_revision(KEY, async { revision }, load).await.value
    }

    /// Without a revision.
    async fn unverified(self) -> u64 {
        let source = Arc::clone(&self.source);
        let load = || async move { Ok::<_, String>(source.read().await) };
        let down = async { Err::<u64, _>("down") };
        let found = self.cache.try_spawn_at_revision(KEY, down, load).await;
        found.unwrap().value
    }

    /// What a load of before has left, which must be outdated by now.
    async fn filled(self) -> Self {
        self.cache.get_at_revision(KEY, async { 1_u64 }, || async { 1 }).await;
        self
    }
}

/// Each reads the revision 2, or none, and starts a load.
const LOADS: [(&str, OnChange, fn(Subject) -> Loading); 7] = [
    ("first load", OnChange::Reload, |it| Box::pin(it.here(2))),
    ("first load by a task", OnChange::Stale, |it| Box::pin(it.spawned(2))),
    ("first load without a revision", OnChange::Reload, |it| {
        Box::pin(it.unverified())
    }),
    ("reload", OnChange::Reload, |it| {
        Box::pin(async move { it.filled().await.here(2).await })
    }),
    ("reload by a task", OnChange::Reload, |it| {
        Box::pin(async move { it.filled().await.spawned(2).await })
    }),
    ("reload of what is too old", OnChange::Stale, |it| {
        Box::pin(async move {
            let it = it.filled().await;
            it.clock.advance(MAX_STALE);
            it.spawned(2).await
        })
    }),
    // And somebody who joins it, so that it is known when it has ended.
    ("refresh in the background", OnChange::Stale, |it| {
        Box::pin(async move {
            let it = it.filled().await;
            assert_eq!(it.clone().spawned(2).await, 1);
            it.clock.advance(MAX_STALE);
            it.spawned(2).await
        })
    }),
];

const INVALIDATIONS: [(&str, fn(Subject) -> Invalidating); 11] = [
    ("invalidate", |it| {
        Box::pin(async move {
            it.cache.invalidate(&KEY).await;
        })
    }),
    ("invalidate_many", |it| {
        Box::pin(async move {
            let _ = it.cache.invalidate_many(&[KEY]).await;
        })
    }),
    ("clear", |it| Box::pin(async move { it.cache.clear().await })),
    ("guard, finished", |it| {
        Box::pin(async move { it.cache.begin_mutation(&KEY).await.finish().await })
    }),
    ("guard, dropped", |it| {
        Box::pin(async move { drop(it.cache.begin_mutation(&KEY).await) })
    }),
    ("guard of all, finished", |it| {
        Box::pin(async move { it.cache.begin_mutation_all().await.finish().await })
    }),
    ("guard of all, dropped", |it| {
        Box::pin(async move { drop(it.cache.begin_mutation_all().await) })
    }),
    ("tag", |it| {
        Box::pin(async move {
            let _ = invalidate_tag(&it.tag).await;
        })
    }),
    ("tag of a key", |it| {
        Box::pin(async move {
            let _ = invalidate_tag(format!("{}:{KEY}", it.tag)).await;
        })
    }),
    ("guard of a tag, finished", |it| {
        Box::pin(async move { begin_tag_mutation(&it.tag).await.finish().await })
    }),
    ("guard of a tag, dropped", |it| {
        Box::pin(async move { drop(begin_tag_mutation(&it.tag).await) })
    }),
];

/// The revision stays the same all the while, so that it is the invalidation alone which keeps the old value away.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_in_flight_is_not_kept_after_an_invalidation() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for (load, on_change, start) in LOADS {
            let it = subject(on_change);
            let old = tokio::spawn(start(it.clone()));
            let read = it.source.started().await;
            it.source.set(2);
            soon(invalidate(it.clone())).await;
            assert!(
                it.cache.peek(&KEY).is_none(),
                "{invalidation} leaves the old value of a {load}"
            );
            read.go_on();
            soon(old).await.unwrap();
            assert!(it.cache.peek(&KEY).is_none(), "{load} under {invalidation} was kept");
            let after = it.cache.get_at_revision(KEY, async { 2_u64 }, || async { 2 }).await;
            assert_eq!(
                (after.value, after.status),
                (2, Status::Miss),
                "{load} under {invalidation}"
            );
        }
    }
}

/// Somebody who reads the very revision that the old load was made for must not join it after an invalidation.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_an_invalidation_does_not_join_an_older_load_of_its_revision() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for (load, on_change, start) in LOADS {
            for old_first in [true, false] {
                let it = subject(on_change);
                let old = tokio::spawn(start(it.clone()));
                let old_read = it.source.started().await;
                it.source.set(2);
                soon(invalidate(it.clone())).await;

                let new = tokio::spawn(it.clone().spawned(2));
                let new_read = it.source.started().await;
                if old_first {
                    old_read.go_on();
                    soon(old).await.unwrap();
                    new_read.go_on();
                    assert_eq!(soon(new).await.unwrap(), 2, "{load} under {invalidation}");
                } else {
                    new_read.go_on();
                    assert_eq!(soon(new).await.unwrap(), 2, "{load} under {invalidation}");
                    old_read.go_on();
                    soon(old).await.unwrap();
                }
                let kept = it.cache.peek(&KEY).map(Revised::into_value);
                assert_eq!(kept, Some(2), "{load} under {invalidation}");
            }
        }
    }
}

/// P2: while a mutation runs, nothing that is loaded is kept, in the background or not, and what is old is gone.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_while_a_mutation_runs() {
    for (load, on_change, start) in LOADS {
        let it = subject(on_change);
        let before = tokio::spawn(start(it.clone()));
        let read = it.source.started().await;
        let guard = it.cache.begin_mutation(&KEY).await;
        read.go_on();
        soon(before).await.unwrap();
        assert!(it.cache.peek(&KEY).is_none(), "{load}");
        let during = it.cache.get_at_revision(KEY, async { 3_u64 }, || async { 3 }).await;
        assert_eq!((during.value, during.status), (3, Status::Miss));
        assert!(it.cache.peek(&KEY).is_none(), "{load}");
        drop(guard);
        let after = it.cache.get_at_revision(KEY, async { 3_u64 }, || async { 4 }).await;
        assert_eq!(after.value, 4, "{load}");
    }
}
