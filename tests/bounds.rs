//! P5: bounded by default, expired entries go without being asked for, and nothing outlives what it serves.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::sync::mpsc;
use std::time::Duration;

use cache_core::{Cache, Clock, Policy, cached_lru, cached_ttl};

#[cached_lru]
async fn lru(id: u64) -> u64 {
    id
}

#[cached_ttl]
async fn ttl(id: u64) -> u64 {
    id
}

#[cached_lru(unbounded)]
async fn everything(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn every_cache_has_a_bound_unless_unbounded_is_written() {
    let cache = Cache::<u64, u64>::builder().build();
    for id in 0..5_000 {
        lru(id).await;
        ttl(id).await;
        everything(id).await;
        cache.insert(id, id).await;
    }
    let lens = (lru::stats().len, ttl::stats().len, everything::stats().len, cache.len());
    assert_eq!(lens, (128, 1024, 5_000, 1024));
    assert_eq!(lru::stats().evictions, 5_000 - 128);
}

#[tokio::test]
async fn the_least_recently_used_entry_goes_at_once() {
    let cache = Cache::<u64, u64>::builder().max_size(2).build();
    cache.insert(1, 1).await;
    cache.insert(2, 2).await;
    assert_eq!(
        (cache.get(&1), cache.get(&2), cache.get(&1)),
        (Some(1), Some(2), Some(1))
    );
    cache.insert(3, 3).await;
    assert_eq!(
        (cache.peek(&1), cache.peek(&2), cache.peek(&3)),
        (Some(1), None, Some(3))
    );
    assert_eq!((cache.len(), cache.stats().evictions), (2, 1));
}

#[tokio::test]
async fn a_size_of_zero_keeps_nothing() {
    let cache = Cache::<u64, u64>::builder().max_size(0).build();
    cache.insert(1, 1).await;
    assert_eq!(cache.get_or_load(1, || async { 2 }).await, 2);
    assert_eq!((cache.get(&1), cache.len()), (None, 0));
    for nothing in [
        Cache::<u64, u64>::builder().ttl(Duration::ZERO),
        Cache::builder().tti(Duration::ZERO),
        Cache::builder().max_weight(0, |_, _| 0),
    ] {
        let cache = nothing.build();
        cache.insert(1, 1).await;
        assert_eq!((cache.get(&1), cache.len()), (None, 0));
    }
}

#[tokio::test]
async fn a_cache_is_bound_by_weight() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let cache = Cache::<u64, String>::builder()
            .max_weight(10, |_, text| u32::try_from(text.len()).unwrap())
            .policy(policy)
            .build();
        cache.insert(1, "12345".to_owned()).await;
        cache.insert(2, "12345".to_owned()).await;
        assert_eq!(cache.len(), 2);
        cache.insert(3, "too heavy to be kept".to_owned()).await;
        assert_eq!(cache.peek(&3), None);
        cache.insert(1, "1234567890".to_owned()).await;
        assert!(cache.len() <= 2);
        let weight: usize = (1..=3).filter_map(|id| cache.peek(&id)).map(|text| text.len()).sum();
        assert!(weight <= 10, "{weight}");
    }
}

/// A key that is asked for now and then, between so many others that were it the order of use, it would be gone.
#[tokio::test]
async fn a_popular_key_survives_scans_under_tiny_lfu_and_not_under_lru() {
    for (policy, survives) in [(Policy::TinyLfu, true), (Policy::Lru, false)] {
        let cache = Cache::<u64, u64>::builder().max_size(100).policy(policy).build();
        for id in 0..100 {
            cache.insert(id, id).await;
        }
        for _ in 0..20 {
            cache.get(&0);
        }
        for id in 100..10_000 {
            cache.insert(id, id).await;
            if id % 150 == 0 {
                cache.get(&0);
            }
        }
        assert_eq!(cache.get(&0).is_some(), survives, "{policy:?}");
        assert_eq!(cache.len(), 100);
    }
}

#[tokio::test]
async fn an_entry_is_gone_at_its_age_and_not_before() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .ttl(Duration::from_secs(10))
        .clock(clock.clone())
        .build();
    cache.insert(1, 1).await;
    cache.insert_with_ttl(2, 2, Duration::from_secs(20)).await;
    clock.advance(Duration::from_secs(10) - Duration::from_nanos(1));
    assert_eq!((cache.get(&1), cache.len()), (Some(1), 2));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((cache.get(&1), cache.get(&2), cache.len()), (None, Some(2), 1));
    clock.advance(Duration::from_secs(10));
    assert_eq!((cache.get(&2), cache.len(), cache.stats().expirations), (None, 0, 2));
}

#[tokio::test]
async fn an_unused_entry_goes_and_a_used_one_stays() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .tti(Duration::from_secs(10))
        .ttl(Duration::from_secs(60))
        .clock(clock.clone())
        .build();
    cache.insert(1, 1).await;
    cache.insert(2, 2).await;
    for _ in 0..6 {
        clock.advance(Duration::from_secs(9));
        assert_eq!(cache.get(&1), Some(1));
    }
    assert_eq!((cache.get(&2), cache.len()), (None, 1));
    // However much it is used, it does not outlive its age.
    clock.advance(Duration::from_secs(6));
    assert_eq!((cache.get(&1), cache.len()), (None, 0));
}

#[tokio::test]
async fn expired_entries_do_not_take_the_room_of_others() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder().max_size(2).clock(clock.clone()).build();
    cache.insert(1, 1).await;
    cache.insert_with_ttl(2, 2, Duration::from_secs(1)).await;
    clock.advance(Duration::from_secs(1));
    cache.insert(3, 3).await;
    assert_eq!(
        (cache.get(&1), cache.get(&3), cache.stats().evictions),
        (Some(1), Some(3), 0)
    );
}

/// Says so when it is dropped.
#[derive(Clone)]
struct Tells(#[expect(dead_code, reason = "held to be dropped")] std::sync::Arc<Dropped>);

struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// On the real clock, and with nobody touching the cache: the test waits to be told.
#[tokio::test]
async fn expired_values_are_dropped_without_being_asked_for() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let (dropped, told) = mpsc::channel();
        let cache = Cache::<u64, Tells>::builder()
            .ttl(Duration::from_millis(1))
            .policy(policy)
            .build();
        for id in 0..100 {
            cache
                .insert(id, Tells(std::sync::Arc::new(Dropped(dropped.clone()))))
                .await;
        }
        for _ in 0..100 {
            told.recv_timeout(Duration::from_secs(60))
                .expect("dropped in the background");
        }
        assert_eq!(cache.stats().expirations, 100);
    }
}

#[tokio::test]
async fn evicted_replaced_and_invalidated_values_are_dropped() {
    let (dropped, told) = mpsc::channel();
    let tells = || Tells(std::sync::Arc::new(Dropped(dropped.clone())));
    let count = || told.try_iter().count();
    let cache = Cache::<u64, Tells>::builder().max_size(10).build();
    for id in 0..100 {
        cache.insert(id, tells()).await;
    }
    for id in 90..100 {
        cache.insert(id, tells()).await;
    }
    for id in 90..95 {
        cache.invalidate(&id).await;
    }
    cache.clear().await;
    drop(cache);
    let mut total = count();
    // What moka retires it frees in batches; other work drives that on.
    let other = Cache::<u64, u64>::builder().max_size(1).build();
    for id in 0..1_000_000 {
        if total == 110 {
            break;
        }
        other.insert(id, id).await;
        total += count();
    }
    assert_eq!(total, 110);
}

#[tokio::test]
async fn statistics_add_up() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .max_size(10)
        .ttl(Duration::from_secs(5))
        .clock(clock.clone())
        .build();
    for id in 0..20 {
        cache.get_or_load(id, || async { id }).await;
        cache.get_or_load(id, || async { id }).await;
    }
    let _ = cache.try_get_or_load(99, || async { Err("no") }).await;
    cache.invalidate(&19).await;
    clock.advance(Duration::from_secs(5));
    let stats = cache.stats();
    assert_eq!(
        (stats.hits, stats.misses, stats.loads, stats.load_failures),
        (20, 21, 21, 1)
    );
    assert_eq!((stats.insertions, stats.evictions, stats.expirations), (20, 10, 9));
    assert_eq!((stats.invalidations, stats.len), (1, 0));
    assert_eq!(
        stats.insertions,
        stats.evictions + stats.expirations + stats.invalidations + stats.len
    );
    cache.reset_stats();
    assert_eq!(cache.stats(), cache_core::Stats::default());
}
