//! P1: once an invalidation has returned, no call that starts later returns, and nothing keeps, a value whose load
//! started before it returned. For each way to invalidate and each way to load.

#![allow(
    clippy::unwrap_used,
    clippy::type_complexity,
    clippy::trivially_copy_pass_by_ref,
    dropping_copy_types,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{
    Batched, Cache, Clock, LoadTimeout, begin_tag_mutation, cached_in, cached_lru, cached_ttl, invalidate_tag,
    invalidates,
};
use futures::FutureExt as _;
use support::{Fate, Source, soon};
use tokio::sync::oneshot;

type Shared = Cache<u64, u64>;
type Loading = Pin<Box<dyn Future<Output = u64> + Send>>;
type Invalidating = Pin<Box<dyn Future<Output = ()> + Send>>;

const KEY: u64 = 7;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct NotClone;

#[derive(Clone, Debug)]
struct Slow;

impl From<LoadTimeout> for Slow {
    fn from(_: LoadTimeout) -> Self {
        Self
    }
}

/// Something with a cache, and functions that load into it and evict from it.
#[derive(Clone)]
struct Subject {
    cache: Shared,
    clock: Clock,
    /// What its entries carry, and no other's.
    tag: Arc<str>,
    source: Arc<Source>,
}

#[cached_in(subject.cache)]
async fn in_own(subject: &Subject, id: u64) -> u64 {
    let _ = id;
    subject.source.read().await
}

#[cached_in(subject.cache)]
async fn in_own_fallible(subject: &Subject, id: u64) -> Result<u64, NotClone> {
    let _ = id;
    subject.source.try_read().await.map_err(|_| NotClone)
}

#[invalidates(subject.cache(id))]
async fn mutate(subject: &Subject, id: u64) -> Result<(), &'static str> {
    let _ = id;
    let _ = subject;
    Err("a failed mutation evicts as well")
}

#[invalidates(subject.cache(..))]
async fn mutate_all(subject: &Subject) {
    let _ = subject;
}

/// A refresh in the background of a value of this age, and somebody who joins it, so that it is known when it has ended.
fn in_background(it: Subject, age: Duration) -> Loading {
    Box::pin(async move {
        // Of now as well, so that whoever gets it gets the old value.
        it.cache.insert(KEY, 1).await;
        it.clock.advance(age);
        let (open, gate) = oneshot::channel::<()>();
        let source = Arc::clone(&it.source);
        let refresh = || async move {
            gate.await.unwrap();
            source.read().await
        };
        assert_eq!(it.cache.get_or_spawn(KEY, refresh).await, 1);
        // There is nothing to serve any more.
        it.clock.advance(MINUTE);
        let mut joined = Box::pin(it.cache.get_or_spawn(KEY, || async { unreachable!("it joins") }));
        assert!((&mut joined).now_or_never().is_none());
        open.send(()).unwrap();
        joined.await
    })
}

/// Batches of keys, which read once for all of them, and find something for the one.
fn batched(it: &Subject, window: Duration, max_batch: usize) -> Batched<u64, u64, &'static str> {
    let source = Arc::clone(&it.source);
    it.cache.batched(window, max_batch, move |keys| {
        let source = Arc::clone(&source);
        async move {
            let value = source.try_read().await?;
            Ok(keys
                .into_iter()
                .filter(|key| *key == KEY)
                .map(|key| (key, value))
                .collect::<Vec<_>>())
        }
    })
}

const LOADS: [(&str, fn(Subject) -> Loading); 17] = [
    ("batch", |it| {
        Box::pin(async move { batched(&it, Duration::ZERO, 100).get(KEY).await.unwrap().unwrap() })
    }),
    ("batch of many, full", |it| {
        Box::pin(async move {
            let found = batched(&it, Duration::from_secs(3600), 2)
                .get_many([KEY, KEY + 1])
                .await;
            found.unwrap()[&KEY]
        })
    }),
    ("batch's refresh", |it| {
        Box::pin(async move { batched(&it, Duration::ZERO, 100).refresh(KEY).await.unwrap().unwrap() })
    }),
    ("warm-up", |it| {
        Box::pin(async move {
            let loaded = Arc::new(AtomicU64::new(0));
            let load = |_| async {
                let value = it.source.try_read().await?;
                loaded.store(value, Ordering::SeqCst);
                Ok::<_, &'static str>(value)
            };
            assert_eq!(it.cache.warm([KEY], 8, load).await.loaded, 1);
            loaded.load(Ordering::SeqCst)
        })
    }),
    ("get_or_spawn", |it| {
        Box::pin(async move {
            let source = Arc::clone(&it.source);
            it.cache.get_or_spawn(KEY, || async move { source.read().await }).await
        })
    }),
    ("try_get_or_spawn", |it| {
        Box::pin(async move {
            let source = Arc::clone(&it.source);
            let load = || async move { source.try_read().await.map_err(|_| Slow) };
            it.cache.try_get_or_spawn(KEY, load).await.unwrap()
        })
    }),
    ("try_get_or_spawn_unshared", |it| {
        Box::pin(async move {
            let source = Arc::clone(&it.source);
            let load = || async move { source.try_read().await.map_err(Box::<dyn Error + Send + Sync>::from) };
            it.cache.try_get_or_spawn_unshared(KEY, load).await.unwrap()
        })
    }),
    ("refresh of a stale value", |it| in_background(it, MINUTE)),
    ("refresh ahead", |it| in_background(it, 59 * SECOND)),
    ("get_or_load", |it| {
        Box::pin(async move { it.cache.get_or_load(KEY, || it.source.read()).await })
    }),
    ("try_get_or_load", |it| {
        Box::pin(async move { it.cache.try_get_or_load(KEY, || it.source.try_read()).await.unwrap() })
    }),
    ("try_get_or_load_unshared", |it| {
        Box::pin(async move {
            let load = || async { it.source.try_read().await.map_err(|_| NotClone) };
            it.cache.try_get_or_load_unshared(KEY, load).await.unwrap()
        })
    }),
    ("refresh", |it| {
        Box::pin(async move { it.cache.refresh(KEY, || it.source.read()).await })
    }),
    ("try_refresh", |it| {
        Box::pin(async move { it.cache.try_refresh(KEY, || it.source.try_read()).await.unwrap() })
    }),
    ("attribute", |it| Box::pin(async move { in_own(&it, KEY).await })),
    ("attribute, fallible", |it| {
        Box::pin(async move { in_own_fallible(&it, KEY).await.unwrap() })
    }),
    ("handle's refresh", |it| {
        Box::pin(async move { in_own::refresh(&it, KEY).await })
    }),
];

const INVALIDATIONS: [(&str, fn(Subject) -> Invalidating); 16] = [
    ("invalidate", |it| {
        Box::pin(async move { drop(it.cache.invalidate(&KEY).await) })
    }),
    ("invalidate_local", |it| {
        Box::pin(async move { drop(it.cache.invalidate_local(&KEY)) })
    }),
    ("invalidate_many", |it| {
        Box::pin(async move { drop(it.cache.invalidate_many(&[KEY - 1, KEY, KEY]).await) })
    }),
    ("clear", |it| Box::pin(async move { it.cache.clear().await })),
    ("insert_with_ttl zero", |it| {
        Box::pin(async move { it.cache.insert_with_ttl(KEY, 0, Duration::ZERO).await })
    }),
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
    ("attribute", |it| Box::pin(async move { drop(mutate(&it, KEY).await) })),
    ("attribute for all", |it| Box::pin(async move { mutate_all(&it).await })),
    ("handle's invalidate", |it| {
        Box::pin(async move { drop(in_own::invalidate(&it, KEY).await) })
    }),
    ("tag", |it| Box::pin(async move { drop(invalidate_tag(&it.tag).await) })),
    ("another tag", |it| {
        Box::pin(async move { drop(invalidate_tag(format!("{}:{KEY}", it.tag)).await) })
    }),
    ("guard of a tag, finished", |it| {
        Box::pin(async move { begin_tag_mutation(&it.tag).await.finish().await })
    }),
    ("guard of a tag, dropped", |it| {
        Box::pin(async move { drop(begin_tag_mutation(&it.tag).await) })
    }),
];

fn subject() -> Subject {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let tag: Arc<str> = format!("coherence:{}", NEXT.fetch_add(1, Ordering::Relaxed)).into();
    let of_key = Arc::clone(&tag);
    let clock = Clock::manual();
    Subject {
        cache: Cache::builder()
            .name("subject")
            .ttl(MINUTE)
            .refresh_ahead(0.9)
            .stale_while_revalidate(MINUTE / 2)
            .stale_if_error(MINUTE / 2)
            .err_ttl(MINUTE)
            .none_ttl(MINUTE)
            .clock(clock.clone())
            .tags(move |key| ["all".to_owned(), format!("{of_key}:{key}"), of_key.to_string()])
            .build(),
        clock,
        tag,
        source: Arc::new(Source::new(1)),
    }
}

/// The old load ends before anybody asks again: it must not be kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_in_flight_is_not_kept_after_an_invalidation() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for (load, start) in LOADS {
            let it = subject();
            let old = tokio::spawn(start(it.clone()));
            let read = it.source.started().await;
            it.source.set(2);
            soon(invalidate(it.clone())).await;
            read.go_on();
            // It overlapped the invalidation, so that it may return what it read.
            assert_eq!(soon(old).await.unwrap(), 1, "{load} under {invalidation}");
            assert_eq!(it.cache.peek(&KEY), None, "{load} under {invalidation} was kept");
            assert_eq!(it.cache.len(), 0);
        }
    }
}

/// Somebody asks while the old load still runs: he must not join it, and its end must not replace what he got.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_an_invalidation_does_not_join_an_older_load() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for (load, start) in LOADS {
            for old_first in [true, false] {
                let it = subject();
                let old = tokio::spawn(start(it.clone()));
                let old_read = it.source.started().await;
                it.source.set(2);
                soon(invalidate(it.clone())).await;

                let new = tokio::spawn({
                    let it = it.clone();
                    async move { it.cache.get_or_load(KEY, || it.source.read()).await }
                });
                let new_read = it.source.started().await;
                assert_eq!(new_read.value, 2);
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
                assert_eq!(it.cache.peek(&KEY), Some(2), "{load} under {invalidation}");
            }
        }
    }
}

/// Who waited for the old load when the invalidation came may get it; the cache may not.
#[tokio::test(flavor = "multi_thread")]
async fn waiters_of_a_detached_load_are_served_and_nothing_is_kept() {
    for (invalidation, invalidate) in INVALIDATIONS {
        let it = subject();
        let call = |it: Subject| async move { it.cache.get_or_load(KEY, || it.source.read()).await };
        let callers: Vec<_> = (0..5).map(|_| tokio::spawn(call(it.clone()))).collect();
        let read = it.source.started().await;
        support::until(|| it.cache.stats().misses == 5).await;
        soon(invalidate(it.clone())).await;
        read.go_on();
        for caller in callers {
            assert_eq!(soon(caller).await.unwrap(), 1);
        }
        assert_eq!(it.source.reads(), 1);
        assert_eq!(it.cache.peek(&KEY), None, "under {invalidation}");
    }
}

/// A value put in by hand is newer than a load that was under way.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_load_does_not_replace_an_inserted_value() {
    for (load, start) in LOADS {
        let it = subject();
        let old = tokio::spawn(start(it.clone()));
        let read = it.source.started().await;
        it.cache.insert(KEY, 2).await;
        read.go_on();
        soon(old).await.unwrap();
        assert_eq!(it.cache.peek(&KEY), Some(2), "{load}");
    }
}

/// Of two reloads, the one that began later counts, whichever ends first.
#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_reloads_is_kept() {
    for later_first in [true, false] {
        let it = subject();
        let reload = |it: Subject| async move { it.cache.refresh(KEY, || it.source.read()).await };
        let earlier = tokio::spawn(reload(it.clone()));
        let earlier_read = it.source.started().await;
        it.source.set(2);
        let later = tokio::spawn(reload(it.clone()));
        let later_read = it.source.started().await;
        let (first, second) = if later_first {
            ((later_read, later), (earlier_read, earlier))
        } else {
            ((earlier_read, earlier), (later_read, later))
        };
        first.0.go_on();
        soon(first.1).await.unwrap();
        second.0.go_on();
        soon(second.1).await.unwrap();
        assert_eq!(it.cache.peek(&KEY), Some(2));
    }
}

/// A failure that is kept is as stale as a value would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_failure_does_not_outlive_an_invalidation() {
    for (invalidation, invalidate) in INVALIDATIONS {
        let it = subject();
        let fail = || it.cache.try_get_or_load(KEY, || async { Err("not there yet") });
        assert!(fail().await.is_err());
        assert_eq!(
            it.cache.try_get_or_load(KEY, || async { Ok(1) }).await,
            Err("not there yet")
        );
        soon(invalidate(it.clone())).await;
        let after = it.cache.try_get_or_load(KEY, || async { Ok::<_, &str>(2) }).await;
        assert_eq!(after, Ok(2), "under {invalidation}");
    }
}

/// The same of one that comes of a load which was under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_before_an_invalidation_is_not_kept() {
    for (invalidation, invalidate) in INVALIDATIONS {
        let it = subject();
        let call = |it: Subject| async move { it.cache.try_get_or_load(KEY, || it.source.try_read()).await };
        let old = tokio::spawn(call(it.clone()));
        let read = it.source.started().await;
        soon(invalidate(it.clone())).await;
        read.end(Fate::Fail);
        assert!(soon(old).await.unwrap().is_err());
        let after = it.cache.try_get_or_load(KEY, || async { Ok::<_, &str>(2) }).await;
        assert_eq!(after, Ok(2), "under {invalidation}");
    }
}

/// That there was nothing for a key, before an invalidation, is not kept after it: not if it was known then, and not if it
/// comes of a batch that was under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_nothing_of_before_an_invalidation_is_not_kept() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for in_flight in [false, true] {
            let it = subject();
            let source = Arc::clone(&it.source);
            let found = it.cache.batched(Duration::ZERO, 100, move |keys: Vec<u64>| {
                let source = Arc::clone(&source);
                async move {
                    let value = source.try_read().await?;
                    Ok::<_, &'static str>(
                        keys.into_iter()
                            .filter(|_| value > 1)
                            .map(|key| (key, value))
                            .collect::<Vec<_>>(),
                    )
                }
            });
            let ask = || {
                let found = found.clone();
                tokio::spawn(async move { found.get(KEY).await.unwrap() })
            };
            let old = ask();
            let read = it.source.started().await;
            it.source.set(2);
            if in_flight {
                soon(invalidate(it.clone())).await;
                read.go_on();
                assert_eq!(soon(old).await.unwrap(), None);
            } else {
                read.go_on();
                assert_eq!(soon(old).await.unwrap(), None);
                assert_eq!(soon(found.get(KEY)).await.unwrap(), None, "it is kept");
                soon(invalidate(it.clone())).await;
            }
            let new = ask();
            it.source.started().await.go_on();
            assert_eq!(soon(new).await.unwrap(), Some(2), "under {invalidation}");
        }
    }
}

/// A key that is invalidated while its batch gathers others is registered anew by who asks for it then, and that load is kept.
#[tokio::test(flavor = "multi_thread")]
async fn an_invalidation_before_a_batch_goes_detaches_what_it_has_gathered() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for asks_again in [true, false] {
            let it = subject();
            let batched = batched(&it, Duration::from_secs(3600), 2);
            let ask = |key| {
                let batched = batched.clone();
                tokio::spawn(async move { batched.get(key).await.unwrap() })
            };
            let old = ask(KEY);
            support::until(|| it.cache.stats().misses == 1).await;
            soon(invalidate(it.clone())).await;
            let new = asks_again.then(|| ask(KEY));
            support::until(|| it.cache.stats().misses == 1 + u64::from(asks_again)).await;
            // With this one it is full.
            let other = ask(KEY + 1);
            it.source.started().await.go_on();
            assert_eq!(soon(old).await.unwrap(), Some(1));
            assert_eq!(soon(other).await.unwrap(), None);
            if let Some(new) = new {
                assert_eq!(soon(new).await.unwrap(), Some(1));
            }
            assert_eq!(it.source.reads(), 1);
            let kept = asks_again.then_some(1);
            assert_eq!(it.cache.peek(&KEY), kept, "under {invalidation}");
        }
    }
}

/// While a mutation runs, no failure is kept either.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_during_a_mutation_is_not_kept() {
    for at in 0..3 {
        let it = subject();
        let guard = match at {
            0 => it.cache.begin_mutation(&KEY).await,
            1 => it.cache.begin_mutation_all().await,
            _ => begin_tag_mutation(&it.tag).await,
        };
        let calls = AtomicU64::new(0);
        for _ in 0..2 {
            let fail = || async {
                calls.fetch_add(1, Ordering::Relaxed);
                Err("not there yet")
            };
            assert!(it.cache.try_get_or_load(KEY, fail).await.is_err());
        }
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        guard.finish().await;
        assert_eq!(
            it.cache.try_get_or_load(KEY, || async { Ok::<_, &str>(2) }).await,
            Ok(2)
        );
    }
}

/// The value that would serve for a failed load, or in its stead, goes with an invalidation, also for who waits already.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_value_does_not_serve_after_an_invalidation() {
    for (invalidation, invalidate) in INVALIDATIONS {
        for window in [SECOND, 29 * SECOND] {
            let it = subject();
            it.cache.insert(KEY, 1).await;
            it.clock.advance(MINUTE + window);
            let load = |it: &Subject| {
                let source = Arc::clone(&it.source);
                || async move { source.try_read().await }
            };
            let refreshing = tokio::spawn({
                let it = it.clone();
                async move { it.cache.try_get_or_load(KEY, load(&it)).await }
            });
            let read = it.source.started().await;
            soon(invalidate(it.clone())).await;
            let later = tokio::spawn({
                let it = it.clone();
                async move { it.cache.try_get_or_load(KEY, load(&it)).await }
            });
            let later_read = it.source.started().await;
            read.end(Fate::Fail);
            later_read.end(Fate::Fail);
            assert_eq!(soon(refreshing).await.unwrap(), Err("failed"), "under {invalidation}");
            assert_eq!(soon(later).await.unwrap(), Err("failed"), "under {invalidation}");
        }
    }
}

/// The caches of annotated functions, in a module each so that their names do not meet.
mod annotated {
    use super::*;

    #[cached_lru(skip(source))]
    pub async fn lru(source: &Source, id: u64) -> u64 {
        let _ = id;
        source.read().await
    }

    #[cached_ttl(skip(source))]
    pub async fn ttl(source: &Source, id: u64) -> Result<u64, &'static str> {
        let _ = id;
        source.try_read().await
    }

    #[invalidates(lru(id), ttl(id))]
    pub async fn by_call(id: u64) {}

    #[invalidates(lru)]
    #[invalidates(ttl)]
    pub async fn by_name(id: u64) {}

    #[invalidates(lru, clear_all, ttl, clear_all = true)]
    pub async fn by_clear_all() {}

    #[invalidates(lru, key_fn = |id| id, ttl, key_fn = key_of)]
    pub async fn by_key_fn(id: u64) {}

    fn key_of(id: &u64) -> u64 {
        *id
    }

    pub const FORMS: [(&str, fn(u64) -> Invalidating); 6] = [
        ("by call", |id| Box::pin(by_call(id))),
        ("by name", |id| Box::pin(by_name(id))),
        ("clear_all", |_| Box::pin(by_clear_all())),
        ("key_fn", |id| Box::pin(by_key_fn(id))),
        ("handle's invalidate", |id| {
            Box::pin(async move {
                lru::invalidate(id).await;
                ttl::invalidate(id).await;
            })
        }),
        ("handle's clear", |_| {
            Box::pin(async move {
                lru::clear().await;
                ttl::clear().await;
            })
        }),
    ];
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_attributes_detaches_loads_in_flight() {
    use annotated::{FORMS, lru, ttl};
    for (at, (form, invalidate)) in (0..).zip(FORMS) {
        let source = Arc::new(Source::new(1));
        let starts: [Loading; 4] = [
            Box::pin({
                let source = Arc::clone(&source);
                async move { lru(&source, at).await }
            }),
            Box::pin({
                let source = Arc::clone(&source);
                async move { ttl(&source, at).await.unwrap() }
            }),
            Box::pin({
                let source = Arc::clone(&source);
                async move { lru::refresh(&source, at).await }
            }),
            Box::pin({
                let source = Arc::clone(&source);
                async move { ttl::refresh(&source, at).await.unwrap() }
            }),
        ];
        for start in starts {
            let old = tokio::spawn(start);
            let read = source.started().await;
            soon(invalidate(at)).await;
            read.go_on();
            soon(old).await.unwrap();
            assert_eq!((lru::peek(at), ttl::peek(at)), (None, None), "{form}");
        }
    }
}
