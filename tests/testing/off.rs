//! Caches off.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::observer::Cause;
use cache_core::testing::disabled;
use cache_core::{Cache, agent_cached, cached_lru, invalidates, session};
use futures::FutureExt as _;

use crate::support::{Fate, Source, soon};

#[cached_lru]
async fn double(n: u64) -> u64 {
    2 * n
}

#[invalidates(double(n))]
async fn change(n: u64) {}

static RUNS: AtomicU64 = AtomicU64::new(0);

#[cached_lru]
async fn counted(n: u64) -> u64 {
    RUNS.fetch_add(1, Ordering::SeqCst);
    2 * n
}

#[tokio::test]
async fn nothing_is_found_nor_kept_nor_counted() {
    counted(1).await;
    let before = counted::stats();
    disabled(async {
        for _ in 0..2 {
            assert_eq!(counted(1).await, 2);
            assert_eq!(counted(2).await, 4);
        }
        assert_eq!(counted::refresh(3).await, 6);
        counted::insert(4, 8).await;
        assert_eq!((counted::peek(1), counted::cache().get(&1)), (None, None));
    })
    .await;
    assert_eq!(RUNS.load(Ordering::SeqCst), 6);
    let mut after = counted::stats();
    // A call each, and a look.
    assert_eq!(std::mem::take(&mut after.bypassed), 6);
    assert_eq!(after, before);
    assert_eq!([1, 2, 3, 4].map(counted::peek), [Some(2), None, None, None]);
}

#[tokio::test]
async fn what_is_invalidated_is_gone() {
    double(11).await;
    double(12).await;
    double(13).await;
    disabled(async {
        change(11).await;
        assert!(double::invalidate(12).await);
        // Newer than what there is.
        double::insert(13, 27).await;
    })
    .await;
    assert_eq!([11, 12, 13].map(double::peek), [None; 3]);
}

#[tokio::test]
async fn each_caller_loads_for_itself() {
    let (source, cache) = (Source::new(1), Cache::<u64, u64>::builder().build());
    let load = || cache.try_get_or_load(7, || source.try_read());
    let mut shared = pin!(load());
    assert!((&mut shared).now_or_never().is_none());
    let first = source.started().await;
    let mut alone = pin!(disabled(load()));
    let mut too = pin!(disabled(load()));
    assert!((&mut alone).now_or_never().is_none() && (&mut too).now_or_never().is_none());
    let (second, third) = (source.started().await, source.started().await);
    second.end(Fate::Fail);
    assert_eq!(soon(alone).await, Err("failed"));
    third.go_on();
    assert_eq!(soon(too).await, Ok(1));
    assert_eq!(cache.peek(&7), None);
    // Who is not in there goes on as ever.
    first.go_on();
    assert_eq!((soon(shared).await, cache.peek(&7)), (Ok(1), Some(1)));
    assert_eq!(cache.stats().load_failures, 0);
}

#[tokio::test]
async fn observers_hear_of_what_an_insertion_pushes_out() {
    let cache = Cache::<u64, u64>::builder().build();
    let mut events = cache.events();
    cache.insert(1, 1).await;
    disabled(async {
        cache.insert(1, 2).await;
        cache.insert(2, 2).await;
        let _ = cache.try_get_or_load(3, || async { Err("no") }).await;
    })
    .await;
    let name = cache.name().to_owned();
    drop(cache);
    let mut causes = Vec::new();
    while let Some(event) = soon(events.recv()).await {
        causes.push(event.unwrap().cause());
    }
    assert_eq!(causes, [Cause::Inserted, Cause::Replaced], "{name}");
}

#[tokio::test]
async fn failures_are_not_kept_and_old_values_not_served() {
    let cache = Cache::<u64, u64>::builder()
        .ttl(Duration::from_secs(60))
        .stale_if_error(Duration::from_secs(60))
        .err_ttl(Duration::from_secs(60))
        .build();
    cache.insert(1, 1).await;
    disabled(async {
        for key in [1, 2] {
            assert_eq!(cache.try_get_or_load(key, || async { Err("no") }).await, Err("no"));
        }
    })
    .await;
    assert_eq!(cache.try_get_or_load(2, || async { Ok::<_, &str>(2) }).await, Ok(2));
    assert_eq!(cache.stats().negative_hits, 0);
}

/// The load runs where its caller is, and not as a task.
#[tokio::test]
async fn loads_that_would_be_tasks_run_with_their_caller() {
    let cache = Cache::<u64, Option<tokio::task::Id>>::builder().build();
    let find = || cache.get_or_spawn(1, || async { tokio::task::try_id() });
    assert_ne!(soon(disabled(find())).await, soon(find()).await);
    assert_eq!(soon(disabled(find())).await, tokio::task::try_id());
}

#[agent_cached(resource = "diary", scope = "session")]
async fn read_diary() -> u64 {
    1
}

#[tokio::test]
async fn sessions_are_off_as_well() {
    session::scope("a", async {
        read_diary().await;
        disabled(async {
            assert_eq!((read_diary::peek(), read_diary().await), (None, 1));
        })
        .await;
        assert_eq!(read_diary::peek(), Some(1));
    })
    .await;
    assert_eq!(disabled(session::end("a")).await, 1);
}

/// What a load in there calls in its turn is in there too, and a load that was under way before is not.
#[tokio::test]
async fn it_is_of_the_task_and_not_of_the_process() {
    let cache = Arc::new(Cache::<u64, u64>::builder().build());
    let other = Arc::clone(&cache);
    disabled(async move {
        let outer = other.get_or_load(1, || async { other.get_or_load(2, || async { 2 }).await });
        assert_eq!(outer.await, 2);
        assert_eq!(other.len(), 0);
        let elsewhere = Arc::clone(&other);
        let spawned = tokio::spawn(async move { elsewhere.get_or_load(3, || async { 3 }).await });
        assert_eq!(spawned.await.unwrap(), 3);
    })
    .await;
    assert_eq!((cache.peek(&3), cache.len()), (Some(3), 1));
}

/// The future is where it is polled, wherever it was made.
#[tokio::test]
async fn a_call_is_off_if_it_is_first_polled_there() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let call = double(21);
    assert_eq!(assert_send(disabled(call)).await, 42);
    assert_eq!(double::peek(21), None);
    let made_there = disabled(async { vec![double(21)] }).await;
    futures::future::join_all(made_there).await;
    assert_eq!(double::peek(21), Some(42));
    // No room for the future twice.
    let large = async {
        let room = [0_u8; 1000];
        tokio::task::yield_now().await;
        room.len()
    };
    assert!(size_of_val(&disabled(large)) < 1200);
}

#[tokio::test]
async fn many_at_once_are_not_kept_either() {
    let cache = Cache::<u64, u64>::builder().build();
    cache.insert_many([(1, 1), (2, 2)]).await;
    disabled(async {
        cache.insert_many([(2, 20), (3, 30)]).await;
        assert_eq!(cache.get_many(&[1, 2, 3]), [None; 3]);
    })
    .await;
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.bypassed), (0, 3));
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(1), None, None]);
}
