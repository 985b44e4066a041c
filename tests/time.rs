//! Expiry by the clock of the runtime, which a test pauses and moves on.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

use std::time::Duration;

use cache_core::{Cache, Clock, Policy, cached_lru, cached_ttl};
use tokio::time::{advance, pause, resume};

const MINUTE: Duration = Duration::from_secs(60);
const NANOSECOND: Duration = Duration::from_nanos(1);
/// A minute without that.
const JUST_UNDER: Duration = Duration::new(59, 999_999_999);

const POLICIES: [Policy; 2] = [Policy::Lru, Policy::TinyLfu];

#[tokio::test(start_paused = true)]
async fn an_entry_expires_when_its_age_is_reached_and_not_before() {
    for policy in POLICIES {
        let cache = Cache::<u64, u64>::builder().ttl(MINUTE).policy(policy).build();
        cache.insert(1, 1).await;
        cache.get_or_load(2, || async { 2 }).await;
        advance(JUST_UNDER).await;
        assert_eq!((cache.get(&1), cache.get(&2), cache.len()), (Some(1), Some(2), 2));
        advance(NANOSECOND).await;
        assert_eq!((cache.get(&1), cache.get(&2), cache.len()), (None, None, 0));
        assert_eq!(cache.stats().expirations, 2);
        assert_eq!(cache.get_or_load(1, || async { 3 }).await, 3);
        assert_eq!(cache.get(&1), Some(3));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_expires_when_it_has_lain_idle() {
    for policy in POLICIES {
        let cache = Cache::<u64, u64>::builder().tti(MINUTE).policy(policy).build();
        cache.insert(1, 1).await;
        cache.insert(2, 2).await;
        for _ in 0..3 {
            advance(MINUTE / 2).await;
            assert_eq!(cache.get(&1), Some(1));
        }
        assert_eq!((cache.get(&2), cache.len()), (None, 1));
        advance(MINUTE).await;
        assert_eq!((cache.get(&1), cache.len()), (None, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_an_age_of_its_own_goes_by_that() {
    for policy in POLICIES {
        let cache = Cache::<u64, u64>::builder().ttl(MINUTE).policy(policy).build();
        cache.insert_with_ttl(1, 1, MINUTE / 2).await;
        cache.insert_with_ttl(2, 2, MINUTE * 2).await;
        cache.insert_with_ttl(3, 3, Duration::MAX).await;
        advance(MINUTE / 2).await;
        assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(2)));
        advance(MINUTE).await;
        assert_eq!(cache.get(&2), Some(2));
        advance(MINUTE / 2).await;
        assert_eq!((cache.get(&2), cache.get(&3), cache.len()), (None, Some(3), 1));
    }
}

#[cached_ttl(ttl = "60s")]
async fn aging(id: u64) -> u64 {
    id
}

#[cached_lru(tti = "10m")]
async fn idling(id: u64) -> u64 {
    id
}

/// Sleeping moves the clock on as well.
#[tokio::test(start_paused = true)]
async fn what_functions_have_cached_expires() {
    aging(1).await;
    idling(1).await;
    advance(JUST_UNDER).await;
    assert_eq!((aging::peek(1), idling::peek(1)), (Some(1), Some(1)));
    tokio::time::sleep(NANOSECOND).await;
    assert_eq!((aging::peek(1), idling::peek(1)), (None, Some(1)));
    aging(1).await;
    assert_eq!(aging::stats().loads, 2);
    advance(9 * MINUTE).await;
    assert_eq!(idling::peek(1), None);
}

/// As a test does that sets things up first.
#[tokio::test]
async fn a_clock_may_be_paused_late_and_go_on_again() {
    let cache = Cache::<u64, u64>::builder().ttl(60 * MINUTE).build();
    cache.insert(1, 1).await;
    pause();
    advance(50 * MINUTE).await;
    cache.insert(2, 2).await;
    resume();
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), Some(2)));
    pause();
    advance(30 * MINUTE).await;
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(2)));
}

/// The clock of one is an hour ahead of that of the other.
#[test]
fn each_runtime_goes_by_its_own_clock() {
    let paused = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let (ahead, behind) = (paused(), paused());
    let cache = Cache::<u64, u64>::builder().ttl(60 * MINUTE).build();
    ahead.block_on(async {
        advance(60 * MINUTE).await;
        cache.insert(1, 1).await;
    });
    behind.block_on(async {
        cache.insert(2, 2).await;
        advance(60 * MINUTE).await;
        // Kept at the beginning and after an hour.
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), None));
        cache.insert(3, 3).await;
        advance(60 * MINUTE).await;
        assert_eq!((cache.get(&1), cache.get(&3)), (None, None));
        cache.insert(4, 4).await;
    });
    ahead.block_on(async {
        advance(119 * MINUTE).await;
        assert_eq!(cache.get(&4), Some(4));
        // The other runtime is a little younger.
        advance(2 * MINUTE).await;
        assert_eq!(cache.get(&4), None);
    });
}

/// There it is as late as it last was in a runtime.
#[tokio::test(start_paused = true)]
async fn a_thread_outside_of_any_runtime_finds_what_the_test_finds() {
    let cache = Cache::<u64, u64>::builder().ttl(MINUTE).build();
    let seen_elsewhere = |cache: &Cache<u64, u64>| {
        std::thread::scope(|scope| scope.spawn(|| cache.get(&1)).join().expect("it does not panic"))
    };
    advance(60 * MINUTE).await;
    cache.insert(1, 1).await;
    assert_eq!(seen_elsewhere(&cache), Some(1));
    advance(MINUTE).await;
    assert_eq!(cache.peek(&1), None);
    assert_eq!(seen_elsewhere(&cache), None);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_hand_follows_nobody_else() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder().ttl(MINUTE).clock(clock.clone()).build();
    cache.insert(1, 1).await;
    advance(60 * MINUTE).await;
    assert_eq!(cache.get(&1), Some(1));
    clock.advance(MINUTE);
    assert_eq!(cache.get(&1), None);
}
