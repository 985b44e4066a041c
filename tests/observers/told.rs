//! What there is to tell: each cause, with the values that belong to it.

use super::order::check_history;
use super::*;

#[tokio::test]
async fn what_comes_and_what_an_invalidation_removes() {
    for policy in POLICIES {
        let cache = plain(policy, 100);
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        cache.get_or_load(2, || async { 20 }).await;
        cache.insert(1, 11).await;
        cache.refresh(2, || async { 21 }).await;
        assert_eq!(
            log.take(),
            [
                inserted(1, 10),
                inserted(2, 20),
                replaced(1, 10, 11),
                replaced(2, 20, 21)
            ]
        );
        cache.invalidate(&1).await;
        cache.insert_with_ttl(2, 22, Duration::ZERO).await;
        let by_key = Cause::Invalidated(Reason::Key);
        assert_eq!(log.take(), [gone(1, by_key, 11), gone(2, by_key, 21)]);
        // What finds nothing changes nothing.
        cache.invalidate(&1).await;
        cache.clear().await;
        cache.begin_mutation(&1).await.finish().await;
        cache.begin_mutation_all().await.finish().await;
        cache.get(&1);
        assert_eq!(log.take(), []);
    }
}

#[tokio::test]
async fn what_a_mutation_removes() {
    let by_mutation = Cause::Invalidated(Reason::Mutation);
    for policy in POLICIES {
        let cache = plain(policy, 100);
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        cache.insert(2, 20).await;
        let guard = cache.begin_mutation(&1).await;
        cache.insert(1, 11).await;
        cache.get_or_load(1, || async { 12 }).await;
        guard.finish().await;
        let guard = cache.begin_mutation_all().await;
        cache.insert(3, 30).await;
        drop(guard);
        assert_eq!(
            log.take(),
            [
                inserted(1, 10),
                inserted(2, 20),
                gone(1, by_mutation, 10),
                gone(2, by_mutation, 20)
            ],
            "while it is under way nothing is kept"
        );
    }
}

#[tokio::test]
async fn a_clear_tells_of_each_entry() {
    for policy in POLICIES {
        for unbounded in [false, true] {
            let builder = Cache::<u64, u64>::builder().policy(policy);
            let builder = if unbounded {
                builder.unbounded()
            } else {
                builder.max_size(1_000)
            };
            let cache = builder.build();
            for round in 0..3 {
                for key in 0..500 {
                    cache.insert(key, round).await;
                }
                cache.invalidate(&7).await;
                let log = Log::default();
                let _subscription = cache.observe(log.writer());
                cache.clear().await;
                let mut told = log.take();
                told.sort_unstable_by_key(|told| told.0);
                let all = (0..500).filter(|key| *key != 7);
                let all: Vec<_> = all
                    .map(|key| gone(key, Cause::Invalidated(Reason::Clear), round))
                    .collect();
                assert_eq!(told, all);
            }
            assert_eq!(cache.stats().invalidations, 3 * 500);
        }
    }
}

#[tokio::test]
async fn what_time_ends() {
    for policy in POLICIES {
        let (cache, clock) = timed(policy, 1_000, seconds(1));
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        cache.insert(2, 20).await;
        clock.advance(seconds(1));
        assert_eq!(cache.len(), 0);
        assert_eq!(
            log.take(),
            [
                inserted(1, 10),
                inserted(2, 20),
                gone(1, Cause::Expired, 10),
                gone(2, Cause::Expired, 20)
            ]
        );
        // More than one insertion reclaims.
        for key in 0..200 {
            cache.insert(key, key).await;
        }
        log.take();
        clock.advance(seconds(1));
        cache.invalidate(&199).await;
        assert_eq!(
            log.take(),
            [gone(199, Cause::Expired, 199)],
            "it found only what had expired"
        );
        cache.insert(198, 1).await;
        let told = log.take();
        assert_eq!(
            told[told.len() - 2..],
            [gone(198, Cause::Expired, 198), inserted(198, 1)]
        );
        let guard = cache.begin_mutation(&197).await;
        assert_eq!(log.take(), [gone(197, Cause::Expired, 197)]);
        drop(guard);
        let guard = cache.begin_mutation_all().await;
        let told = log.take();
        assert!(
            told[..told.len() - 1].iter().all(|told| told.1 == Cause::Expired),
            "{told:?}"
        );
        assert_eq!(told.last(), Some(&gone(198, Cause::Invalidated(Reason::Mutation), 1)));
        drop(guard);
        assert_eq!(cache.stats().expirations, 2 + 199 + 1);
    }
}

/// With a clock that runs, and nobody who asks.
#[tokio::test(flavor = "multi_thread")]
async fn what_time_ends_without_being_asked_for() {
    let cache = Cache::builder().ttl(Duration::from_millis(1)).build();
    let mut events = cache.events();
    cache.insert(1_u64, 10_u64).await;
    let first = soon(events.recv()).await.unwrap().unwrap();
    assert_eq!(told(&first), inserted(1, 10));
    let second = soon(events.recv()).await.unwrap().unwrap();
    assert_eq!(told(&second), gone(1, Cause::Expired, 10));
}

#[tokio::test]
async fn what_there_is_no_room_for() {
    let cache = plain(Policy::Lru, 2);
    let log = Log::of(&cache);
    for key in 0..3 {
        cache.insert(key, key).await;
    }
    assert_eq!(
        log.take(),
        [
            inserted(0, 0),
            inserted(1, 1),
            inserted(2, 2),
            gone(0, Cause::Evicted, 0)
        ]
    );
    // The newcomer may be the one to go.
    let cache = plain(Policy::TinyLfu, 2);
    let log = Log::of(&cache);
    for key in 0..20 {
        cache.insert(key, key).await;
    }
    let told = log.take();
    let evicted = told.iter().filter(|told| told.1 == Cause::Evicted).count();
    assert_eq!((evicted, told.len()), (18, 38));
    check_history(&told);
}

#[tokio::test]
async fn a_newer_value_that_is_not_kept() {
    for policy in POLICIES {
        let builder = Cache::builder().policy(policy);
        let builder = builder.max_weight(10, |_: &u64, value: &u64| u32::try_from(*value).unwrap());
        let cache = builder.build();
        let log = Log::of(&cache);
        cache.insert(1, 5).await;
        cache.insert(1, 11).await;
        cache.insert(2, 11).await;
        cache.insert(2, 1).await;
        cache.refresh(2, || async { 12 }).await;
        assert_eq!(
            log.take(),
            [
                inserted(1, 5),
                (1, Cause::Replaced, Some(5), None),
                inserted(2, 1),
                (2, Cause::Replaced, Some(1), None)
            ]
        );
        assert_eq!((cache.stats().insertions, cache.len()), (2, 0));
    }
    // Where nothing is kept, nothing changes.
    let cache = plain(Policy::Lru, 0);
    let log = Log::of(&cache);
    cache.insert(1, 1).await;
    cache.get_or_load(1, || async { 1 }).await;
    assert_eq!(log.take(), []);
}

static KEEPS: AtomicBool = AtomicBool::new(true);

#[cached_lru(cache_if = |_: &u64| KEEPS.load(Ordering::SeqCst))]
async fn kept_if_told(key: u64) -> u64 {
    key + 1
}

#[tokio::test]
async fn a_reload_whose_value_is_not_to_be_kept() {
    let log = Log::of(kept_if_told::cache());
    kept_if_told(1).await;
    KEEPS.store(false, Ordering::SeqCst);
    kept_if_told::refresh(1).await;
    kept_if_told(5).await;
    assert_eq!(log.take(), [inserted(1, 2), (1, Cause::Replaced, Some(2), None)]);
}

#[tokio::test]
async fn loads_that_fail() {
    let cache = plain(Policy::Lru, 10);
    let log = Log::of(&cache);
    let _ = cache.try_get_or_load(1, || async { Err("down") }).await;
    let _ = cache
        .try_get_or_load_unshared(2, || async { Err(std::io::Error::other("down")) })
        .await;
    let panicking = AssertUnwindSafe(cache.get_or_load(3, || async { panic!("told to") }));
    assert!(panicking.catch_unwind().await.is_err());
    let mut dropped = Box::pin(cache.get_or_load(4, pending));
    assert!((&mut dropped).now_or_never().is_none());
    drop(dropped);
    assert_eq!(log.take(), [failed(1), failed(2), failed(3), failed(4)]);
    cache.insert(5, 5).await;
    let _ = cache.try_refresh(5, || async { Err("down") }).await;
    assert_eq!(log.take(), [inserted(5, 5), failed(5)], "the former value stays");
    assert_eq!((cache.stats().load_failures, cache.get(&5)), (5, Some(5)));
}

/// Where errors cannot be copied, each caller runs its own load, and only one of them is registered.
#[tokio::test]
async fn loads_that_fail_each_for_itself() {
    let cache = plain(Policy::Lru, 10);
    let log = Log::of(&cache);
    let fail = || async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("down"))
    };
    let load = || cache.try_get_or_load_unshared(1, fail);
    let (a, b, c) = futures::join!(load(), load(), load());
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(log.take(), [failed(1); 3]);
    assert_eq!(cache.stats().load_failures, 3);
}

/// Who waits for a load that fails and loads in its turn comes after it.
#[tokio::test]
async fn a_failure_comes_before_what_the_next_one_loads() {
    let cache = plain(Policy::Lru, 10);
    let log = Log::of(&cache);
    let mut first = Box::pin(cache.get_or_load(1, pending));
    let mut second = Box::pin(cache.get_or_load(1, || async { 10 }));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, 10);
    assert_eq!(log.take(), [failed(1), inserted(1, 10)]);
}

/// A tag evicts like anything else that evicts, and says so.
#[tokio::test]
async fn what_a_tag_removes() {
    let clock = Clock::manual();
    for policy in POLICIES {
        let name = format!("told:{policy:?}");
        let cache = Cache::builder()
            .policy(policy)
            .ttl(seconds(10))
            .clock(clock.clone())
            .tags(move |key: &u64| [format!("{name}:{}", key % 2), name.clone()])
            .build();
        let log = Log::of(&cache);
        for key in 1..=3 {
            cache.insert(key, 10 * key).await;
        }
        log.take();
        assert_eq!(invalidate_tag(format!("told:{policy:?}:0")).await, 1);
        assert_eq!(log.take(), [gone(2, Cause::Invalidated(Reason::Tag), 20)]);
        let guard = begin_tag_mutation(format!("told:{policy:?}:1")).await;
        let by_mutation = Cause::Invalidated(Reason::Mutation);
        let mut told = log.take();
        told.sort_by_key(|(key, ..)| *key);
        assert_eq!(told, [gone(1, by_mutation, 10), gone(3, by_mutation, 30)]);
        cache.insert(1, 11).await;
        assert_eq!(log.take(), [], "refused");
        guard.finish().await;
        assert_eq!(log.take(), []);

        // One that is refused pushes out what it came to replace, and what has expired is told of as that.
        let cache = Cache::builder()
            .policy(policy)
            .ttl(seconds(10))
            .clock(clock.clone())
            .tag_fn(move |value: &u64| [format!("told-value:{policy:?}:{value}")])
            .build();
        let log = Log::of(&cache);
        cache.insert(1, 10).await;
        let guard = begin_tag_mutation(format!("told-value:{policy:?}:11")).await;
        cache.insert(1, 11).await;
        guard.finish().await;
        assert_eq!(log.take(), [inserted(1, 10), gone(1, Cause::Replaced, 10)]);
        cache.insert(1, 12).await;
        clock.advance(seconds(10));
        assert_eq!(invalidate_tag(format!("told-value:{policy:?}:12")).await, 0);
        assert_eq!(log.take(), [inserted(1, 12), gone(1, Cause::Expired, 12)]);
    }
}
