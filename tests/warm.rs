//! Warm-up: what is not there is loaded, so many at a time, and reported.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on fails")]

mod support;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{Cache, Clock, Progress, Warmed, session};
use futures::FutureExt as _;
use proptest::prelude::*;
use support::{Fate, Source, soon, until};

const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> Cache<u64, u64> {
    Cache::builder().name("warm").unbounded().build()
}

fn counts(warmed: Warmed) -> (usize, usize, usize) {
    (warmed.loaded, warmed.skipped, warmed.failed)
}

#[tokio::test]
async fn what_is_there_is_skipped_and_what_is_not_is_loaded() {
    let cache = cache();
    cache.insert_many([(1, 1), (3, 3)]).await;
    let loaded = Mutex::new(Vec::new());
    let warmed = cache
        .warm(0..5, 1, |key| {
            loaded.lock().unwrap().push(key);
            async move { Ok::<_, String>(key * 10) }
        })
        .await;
    assert_eq!(counts(warmed), (3, 2, 0));
    assert_eq!(*loaded.lock().unwrap(), [0, 2, 4]);
    assert_eq!(
        cache.get_many(&[0, 1, 2, 3, 4]),
        [Some(0), Some(1), Some(20), Some(3), Some(40)]
    );
    assert_eq!(warmed.to_string(), "loaded 3, skipped 2, failed 0");
}

#[tokio::test]
async fn nobody_has_asked_for_what_is_warmed() {
    let cache = cache();
    cache.insert(1, 1).await;
    cache.warm([1, 2], 8, |key| async move { Ok::<_, String>(key) }).await;
    let stats = cache.stats();
    assert_eq!(
        (stats.hits, stats.misses, stats.loads, stats.insertions),
        (0, 0, 1, 2),
        "{stats}"
    );
}

#[tokio::test]
async fn failures_are_counted_and_do_not_stop_it() {
    let cache = cache();
    let load = |key: u64| async move { if key.is_multiple_of(3) { Err("down") } else { Ok(key) } };
    let warmed = cache.warm(0..9, 2, load).await;
    assert_eq!(counts(warmed), (6, 0, 3));
    assert_eq!((cache.len(), cache.stats().load_failures), (6, 3));
}

/// It stays below, and comes up to it.
#[tokio::test]
async fn so_many_loads_run_at_once_and_no_more() {
    for (concurrency, at_most) in [(0, 1), (1, 1), (3, 3), (100, 20), (usize::MAX, 20)] {
        let cache = cache();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let load = |key: u64| {
            let (running, most) = (&running, &most);
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, String>(key)
            }
        };
        assert_eq!(counts(cache.warm(0..20, concurrency, load).await), (20, 0, 0));
        assert_eq!(most.load(Ordering::SeqCst), at_most, "{concurrency}");
    }
}

#[tokio::test]
async fn progress_is_told_after_each_key() {
    let cache = cache();
    cache.insert(2, 2).await;
    let load = |key: u64| async move { if key == 3 { Err("down") } else { Ok(key) } };
    let mut told = Vec::new();
    let mut lines = Vec::new();
    let on_progress = |progress: Progress| {
        told.push((progress.done(), progress.total, counts(progress.so_far)));
        lines.push(progress.to_string());
    };
    let warmed = cache.warm(vec![1, 2, 3], 1, load).on_progress(on_progress).await;
    assert_eq!(
        told,
        [
            (1, Some(3), (1, 0, 0)),
            (2, Some(3), (1, 1, 0)),
            (3, Some(3), (1, 1, 1)),
        ]
    );
    assert_eq!(counts(warmed), (1, 1, 1));
    assert_eq!(lines[2], "3 of 3: loaded 1, skipped 1, failed 1");

    // How many there are is not always known.
    let mut totals = Vec::new();
    let some = (0..10_u64).filter(|key| key.is_multiple_of(5));
    cache
        .warm(some, 4, load)
        .on_progress(|progress| totals.push((progress.total, progress.to_string())))
        .await;
    assert_eq!(totals[1], (None, "2: loaded 2, skipped 0, failed 0".to_owned()));
}

#[tokio::test]
async fn no_keys_are_warm_at_once() {
    let cache = cache();
    let mut told = 0;
    let warming = cache
        .warm([], 8, |key| async move { Ok::<_, String>(key) })
        .on_progress(|_| told += 1);
    assert_eq!(warming.now_or_never(), Some(Warmed::default()));
    assert_eq!(told, 0);
}

#[tokio::test]
async fn nothing_happens_before_it_is_awaited() {
    let cache = cache();
    drop(cache.warm(0..5, 8, |key| async move { Ok::<_, String>(key) }));
    assert_eq!(cache.stats().loads, 0);
}

/// Keys are drawn when there is room for them, so that there may be very many.
#[tokio::test]
async fn keys_are_drawn_as_they_are_needed() {
    let (cache, source) = (cache(), Arc::new(Source::new(1)));
    let drawn = Arc::new(AtomicUsize::new(0));
    let keys = {
        let drawn = Arc::clone(&drawn);
        (0..100).inspect(move |_| {
            drawn.fetch_add(1, Ordering::SeqCst);
        })
    };
    let mut warming = {
        let source = Arc::clone(&source);
        cache.warm(keys, 3, move |_| {
            let source = Arc::clone(&source);
            async move { source.try_read().await }
        })
    };
    assert!((&mut warming).now_or_never().is_none());
    assert_eq!((drawn.load(Ordering::SeqCst), source.reads()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_warmed_and_asked_for_is_loaded_once() {
    let (cache, source) = (cache(), Arc::new(Source::new(1)));
    let warming = {
        let source = Arc::clone(&source);
        tokio::spawn(cache.warm([7], 8, move |_| {
            let source = Arc::clone(&source);
            async move { source.try_read().await }
        }))
    };
    let read = source.started().await;
    let asking = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(7, || async { unreachable!("it joins") }).await }
    });
    until(|| cache.stats().misses == 1).await;
    read.go_on();
    assert_eq!(soon(asking).await.unwrap(), 1);
    assert_eq!(counts(soon(warming).await.unwrap()), (1, 0, 0));

    // And the other way round.
    let asking = tokio::spawn({
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        async move { cache.get_or_load(8, || source.read()).await }
    });
    let read = source.started().await;
    let mut warming = Box::pin(cache.warm([8, 8], 8, |_| async { Err::<u64, _>("it joins") }));
    assert!((&mut warming).now_or_never().is_none());
    read.go_on();
    assert_eq!(counts(soon(warming).await), (2, 0, 0));
    soon(asking).await.unwrap();
    assert_eq!(source.reads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_reaches_who_waits_for_it() {
    let (cache, source) = (cache(), Arc::new(Source::new(1)));
    let warming = {
        let source = Arc::clone(&source);
        tokio::spawn(cache.warm([7, 7], 8, move |_| {
            let source = Arc::clone(&source);
            async move { source.try_read().await }
        }))
    };
    let read = source.started().await;
    let asking = tokio::spawn({
        let cache = cache.clone();
        async move { cache.try_get_or_load(7, || async { Ok::<_, &'static str>(2) }).await }
    });
    until(|| cache.stats().misses == 1).await;
    read.end(Fate::Fail);
    assert_eq!(soon(asking).await.unwrap(), Err("failed"));
    // The second of the two keys may have come too late to share that.
    let others = tokio::spawn(async move {
        loop {
            source.started().await.end(Fate::Fail);
        }
    });
    assert_eq!(counts(soon(warming).await.unwrap()), (0, 0, 2));
    others.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_that_is_cancelled_leaves_what_was_loaded() {
    let (cache, source) = (cache(), Arc::new(Source::new(1)));
    let warming = {
        let source = Arc::clone(&source);
        tokio::spawn(cache.warm(0..10, 2, move |_| {
            let source = Arc::clone(&source);
            async move { source.try_read().await }
        }))
    };
    for _ in 0..4 {
        source.started().await.go_on();
    }
    // Two are under way, and somebody waits for one of them.
    let under_way = [source.started().await, source.started().await];
    until(|| cache.len() == 4).await;
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(4, || async { 40 }).await }
    });
    until(|| cache.stats().misses == 1).await;
    warming.abort();
    assert!(soon(warming).await.unwrap_err().is_cancelled());
    under_way.into_iter().for_each(support::Read::go_on);
    assert_eq!(soon(waiting).await.unwrap(), 40);
    assert_eq!((cache.len(), source.reads()), (5, 6));
}

#[tokio::test]
async fn a_load_that_panics_ends_it() {
    let cache = cache();
    let load = |key: u64| async move {
        assert_ne!(key, 3, "told to panic");
        Ok::<_, String>(key)
    };
    let warming = AssertUnwindSafe(cache.warm(0..10, 1, load)).catch_unwind().await;
    assert!(warming.is_err());
    assert_eq!(cache.len(), 3);
    assert_eq!(cache.get_or_load(3, || async { 4 }).await, 4);
}

/// What is past its TTL is not there, even if it is still served; and serves in nobody's place.
#[tokio::test]
async fn an_old_value_is_replaced_and_does_not_count_as_a_success() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .ttl(MINUTE)
        .stale_while_revalidate(MINUTE)
        .stale_if_error(MINUTE)
        .clock(clock.clone())
        .build();
    for stale in [MINUTE, MINUTE + Duration::from_secs(1)] {
        cache.insert_many([(1, 1), (2, 2)]).await;
        clock.advance(stale);
        let load = |key: u64| async move { if key == 1 { Ok(10) } else { Err("down") } };
        assert_eq!(counts(cache.warm([1, 2], 8, load).await), (1, 0, 1));
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(10), None));
        // A failure of just now keeps callers content with the old value, but not this.
        assert_eq!(counts(cache.warm([1, 2], 8, load).await), (0, 1, 1));
    }
}

#[tokio::test]
async fn what_is_warmed_has_its_tags_and_its_bounds() {
    let cache = Cache::<u64, u64>::builder()
        .max_size(10)
        .tags(|key| [format!("warm-key:{key}")])
        .tag_fn(|value| [format!("warm-value:{value}")])
        .build();
    let warmed = cache.warm(0..30, 4, |key| async move { Ok::<_, String>(key) }).await;
    assert_eq!((counts(warmed), cache.len()), ((30, 0, 0), 10));
    assert_eq!(cache_core::invalidate_tag("warm-key:29").await, 1);
    assert_eq!(cache_core::invalidate_tag("warm-value:28").await, 1);
}

/// It runs in one task, and so in the session of its caller.
#[tokio::test]
async fn loads_run_in_the_session_of_the_caller() {
    let cache = Cache::<u64, String>::builder().build();
    let load = |_| async { Ok::<_, String>(session::current().map_or_else(String::new, |id| id.to_string())) };
    session::scope("a7", cache.warm([1], 8, load)).await;
    assert_eq!(cache.get(&1), Some("a7".to_owned()));
}

#[tokio::test]
async fn with_caches_off_there_is_nothing_to_make_warm() {
    let cache = cache();
    let load = |_| async { unreachable!("nothing would keep it") };
    let warming = cache.warm(0..3, 8, |key| {
        let load = load(key);
        async move {
            load.await;
            Ok::<_, String>(0)
        }
    });
    assert_eq!(counts(cache_core::testing::disabled(warming).await), (0, 3, 0));
}

proptest! {
    /// Of any keys, with any that are there and any that fail.
    #[test]
    fn each_key_is_accounted_for(
        keys in prop::collection::vec(0..30_u64, 0..80),
        there in prop::collection::vec(0..30_u64, 0..20),
        fails in 1..5_u64,
        concurrency in 0..9_usize,
    ) {
        let cache = cache();
        futures::executor::block_on(async {
            cache.insert_many(there.iter().map(|key| (*key, 1_000))).await;
            let load = |key: u64| async move {
                tokio::task::yield_now().await;
                if key.is_multiple_of(fails) { Err("down") } else { Ok(key) }
            };
            let mut last = None;
            let warmed = cache.warm(keys.clone(), concurrency, load).on_progress(|progress| last = Some(progress)).await;
            assert_eq!(warmed.loaded + warmed.skipped + warmed.failed, keys.len());
            if let Some(last) = last {
                assert_eq!((last.so_far, last.total), (warmed, Some(keys.len())));
            }
            for key in 0..30 {
                let expected = if there.contains(&key) {
                    Some(1_000)
                } else if keys.contains(&key) && !key.is_multiple_of(fails) {
                    Some(key)
                } else {
                    None
                };
                assert_eq!(cache.peek(&key), expected);
            }
        });
    }
}

/// Functions are warmed by calling them.
mod functions {
    use super::*;
    use std::collections::HashMap;

    use cache_core::{agent_cached, cached_batch, cached_lru, cached_ttl};

    #[derive(Clone, Default)]
    pub(super) struct Db(pub(super) Arc<AtomicUsize>);

    #[cached_lru(skip(db))]
    pub(super) async fn get_user(db: &Db, id: u64, region: &str) -> Result<String, &'static str> {
        db.0.fetch_add(1, Ordering::SeqCst);
        if id == 404 {
            Err("down")
        } else {
            Ok(format!("{id} in {region}"))
        }
    }

    #[cached_ttl(
        ttl = "60s",
        stale_while_revalidate = "30s",
        stale_if_error = "5m",
        load_timeout = "1h",
        skip(db)
    )]
    pub(super) async fn detached(db: &Db, id: u64) -> Result<u64, cache_core::LoadTimeout> {
        db.0.fetch_add(1, Ordering::SeqCst);
        Ok(id)
    }

    #[cached_batch(window = "0ms", skip(db))]
    pub(super) async fn batched(db: &Db, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        db.0.fetch_add(1, Ordering::SeqCst);
        if ids.contains(&404) {
            return Err("down".to_owned());
        }
        Ok(ids.iter().filter(|id| **id < 100).map(|id| (*id, *id)).collect())
    }

    /// It calls two others, of which one fails, and does not mind.
    #[cached_lru(skip(db))]
    pub(super) async fn outer(db: &Db, id: u64) -> u64 {
        let _ = get_user(db, 404, "outer").await;
        get_user(db, id, "outer").await.map_or(0, |_| id)
    }

    #[agent_cached(resource = "warm", scope = "session")]
    pub(super) async fn of_session(id: u64) -> u64 {
        id
    }

    pub(super) struct Users(pub(super) Cache<u64, u64>);

    impl Users {
        #[cache_core::cached_in(self.0)]
        pub(super) async fn get(&self, id: u64) -> Result<u64, String> {
            if id == 404 { Err("down".to_owned()) } else { Ok(id) }
        }
    }
}

#[tokio::test]
async fn functions_are_warmed_by_calling_them() {
    use functions::{Db, get_user};
    let db = &Db::default();
    get_user(db, 7, "eu").await.unwrap();
    let keys = [(7, "eu"), (8, "eu"), (404, "us"), (8, "eu")];
    let mut lines = Vec::new();
    let warmed = cache_core::warm(keys, 1, |(id, region)| get_user(db, id, region))
        .on_progress(|progress| lines.push(progress.to_string()))
        .await;
    assert_eq!(counts(warmed), (1, 2, 1));
    assert_eq!(lines[3], "4 of 4: loaded 1, skipped 2, failed 1");
    assert_eq!(db.0.load(Ordering::SeqCst), 3);
    assert_eq!(get_user::peek(8, "eu"), Some("8 in eu".to_owned()));
    // What is warmed is no miss; what was there is a hit.
    assert_eq!((get_user::stats().hits, get_user::stats().misses), (2, 1));
    // Of owned keys.
    let keys = vec![(9, "eu".to_owned())];
    let warmed = cache_core::warm(keys, 8, |(id, region)| async move { get_user(db, id, &region).await });
    assert_eq!(counts(warmed.await), (1, 0, 0));
}

#[tokio::test]
async fn what_a_load_calls_is_its_own_concern() {
    use functions::{Db, get_user, outer};
    let db = &Db::default();
    assert_eq!(counts(cache_core::warm(1..=2, 1, |id| outer(db, id)).await), (2, 0, 0));
    assert_eq!(counts(cache_core::warm(1..=2, 1, |id| outer(db, id)).await), (0, 2, 0));
    // Asked for by those loads, and by nobody else.
    assert_eq!(get_user::peek(1, "outer"), Some("1 in outer".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn functions_whose_loads_are_tasks_are_waited_for() {
    use functions::{Db, detached};
    let db = &Db::default();
    let warm = || cache_core::warm([1, 2, 1], 1, |id| detached(db, id));
    assert_eq!(counts(warm().await), (2, 1, 0));
    // Past their TTL they would be served while they are refreshed.
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(counts(warm().await), (2, 1, 0));
    assert_eq!((db.0.load(Ordering::SeqCst), detached::stats().stale), (4, 0));
}

#[cache_core::cached_ttl(ttl = "60s", stale_while_revalidate = "1h", skip(source))]
async fn held(source: &Arc<Source>, id: u64) -> u64 {
    let _ = id;
    source.read().await
}

/// Others are content with the old value meanwhile.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_under_way_is_waited_for() {
    let source = &Arc::new(Source::new(1));
    let first = tokio::spawn({
        let source = Arc::clone(source);
        async move { held(&source, 7).await }
    });
    source.started().await.go_on();
    assert_eq!(first.await.unwrap(), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    source.set(2);
    assert_eq!(held(source, 7).await, 1);
    let refresh = source.started().await;
    let mut warming = Box::pin(cache_core::warm([7], 1, |id| held(source, id)).into_future());
    assert!(futures::poll!(&mut warming).is_pending());
    assert_eq!(held(source, 7).await, 1);
    refresh.go_on();
    assert_eq!(counts(warming.await), (1, 0, 0));
    assert_eq!((held::peek(7), source.reads()), (Some(2), 2));
}

#[tokio::test]
async fn batches_are_warmed_in_batches() {
    use functions::{Db, batched};
    let db = &Db::default();
    batched(db, 1).await.unwrap();
    let warmed = cache_core::warm([1, 2, 3, 104], 8, |id| batched(db, id)).await;
    assert_eq!(counts(warmed), (3, 1, 0), "that there is nothing is no failure");
    assert_eq!(db.0.load(Ordering::SeqCst), 2);
    assert_eq!(
        counts(cache_core::warm([4, 404], 8, |id| batched(db, id)).await),
        (0, 0, 2)
    );
}

#[tokio::test]
async fn methods_and_several_functions_are_warmed_together() {
    use functions::{Db, Users, of_session, outer};
    let (db, users) = (&Db::default(), &Users(cache()));
    let warmed = cache_core::warm([10, 404], 8, |id| async move {
        outer(db, id).await;
        let _ = users.get(id).await;
    });
    assert_eq!(counts(warmed.await), (1, 0, 1));
    assert_eq!((users.0.len(), users.0.stats().misses), (1, 0));

    session::scope("warm", async {
        assert_eq!(counts(cache_core::warm([1, 2], 8, of_session).await), (2, 0, 0));
        assert_eq!(of_session::peek(2), Some(2));
    })
    .await;
    let disabled = cache_core::testing::disabled(cache_core::warm([20], 8, |id| outer(db, id)));
    assert_eq!(counts(disabled.await), (0, 1, 0));
}

/// A failure is one even where an old value would serve for it, and a refresh of what is fresh may wait.
#[tokio::test]
async fn a_call_of_a_warm_up_is_not_content_with_an_old_value() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .ttl(MINUTE)
        .refresh_ahead(0.5)
        .stale_if_error(MINUTE)
        .clock(clock.clone())
        .build();
    let (cache, source) = (&cache, &Arc::new(Source::new(1)));
    let call = |key| async move {
        let source = Arc::clone(source);
        let load = || async move { source.try_read().await.map_err(|_| std::io::Error::other("down")) };
        cache.try_get_or_load_unshared(key, load).await
    };
    cache.insert(1, 1).await;
    clock.advance(MINUTE / 2);
    assert_eq!(counts(cache_core::warm([1], 8, call).await), (0, 1, 0));
    clock.advance(MINUTE / 2);
    let mut warming = Box::pin(cache_core::warm([1], 8, call));
    assert!((&mut warming).now_or_never().is_none());
    source.started().await.end(Fate::Fail);
    assert_eq!(counts(soon(warming).await), (0, 0, 1));
    assert_eq!(cache.stats().stale, 0);
}
