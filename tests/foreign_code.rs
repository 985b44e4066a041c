//! What users' types do in the middle of things: drops that call the cache, clones and drops that panic, weights that are
//! odd. None of it may hang, harm others, or leave something behind.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on fails")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use cache_core::{Cache, Clock, Policy};
use support::{soon, until};

/// Its drop invalidates another entry of the cache it was in.
#[derive(Clone)]
struct CallsBack(#[expect(dead_code, reason = "held to be dropped")] Arc<Inner>);

struct Inner {
    id: u64,
    cache: Arc<OnceLock<Cache<u64, CallsBack>>>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
        if let Some(cache) = self.cache.get() {
            cache.invalidate_local(&(self.id + 1));
            cache.peek(&self.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_may_call_the_cache() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let (cell, dropped) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
        let value = |id| {
            CallsBack(Arc::new(Inner {
                id,
                cache: Arc::clone(&cell),
                dropped: Arc::clone(&dropped),
            }))
        };
        let cache = Cache::builder()
            .max_size(8)
            .ttl(Duration::from_millis(1))
            .policy(policy)
            .build();
        assert!(cell.set(cache.clone()).is_ok());
        let cache = &cache;
        soon(async {
            for id in 0..2_000 {
                cache.insert(id % 40, value(id % 40)).await;
                cache
                    .get_or_load((id + 7) % 40, || async { value((id + 7) % 40) })
                    .await;
                if id % 100 == 0 {
                    cache.clear().await;
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        assert!(dropped.load(Ordering::SeqCst) > 1_000);
    }
}

/// Its drop says so, and panics if it is told to.
struct Dropped(u64, mpsc::Sender<u64>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.1.send(self.0);
        assert_ne!(self.0 % 10, 3, "told to panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_that_panics_in_the_background_stops_nothing() {
    let (sender, dropped) = mpsc::channel();
    let cache = Cache::<u64, Arc<Dropped>>::builder()
        .ttl(Duration::from_millis(1))
        .build();
    for _ in 0..2 {
        for id in 0..100 {
            cache.insert(id, Arc::new(Dropped(id, sender.clone()))).await;
        }
        for _ in 0..100 {
            dropped.recv_timeout(Duration::from_secs(60)).expect("all are dropped");
        }
        until(|| cache.is_empty()).await;
    }
}

/// Its clone panics when it is told to.
struct Clones(Arc<AtomicBool>);

impl Clone for Clones {
    fn clone(&self) -> Self {
        assert!(!self.0.swap(false, Ordering::SeqCst), "told to panic");
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_panics_harms_only_its_own_caller() {
    let panics = Arc::new(AtomicBool::new(true));
    let cache = Cache::<u64, Clones>::builder().build();
    let call = || {
        let (cache, panics) = (cache.clone(), Arc::clone(&panics));
        tokio::spawn(async move {
            cache
                .get_or_load(1, || async {
                    tokio::task::yield_now().await;
                    Clones(panics)
                })
                .await
        })
    };
    let callers: Vec<_> = (0..20).map(|_| call()).collect();
    let mut panicked = 0;
    for caller in callers {
        panicked += usize::from(soon(caller).await.is_err());
    }
    assert_eq!(panicked, 1);
    assert_eq!(cache.len(), 1);
}

#[tokio::test]
async fn a_value_too_heavy_to_keep_pushes_nobody_out() {
    let cache = Cache::<u64, u32>::builder()
        .max_weight(100, |_, weight| *weight)
        .build();
    for id in 0..50 {
        cache.insert(id, 1).await;
    }
    cache.insert(7, 1_000).await;
    assert_eq!((cache.peek(&7), cache.len(), cache.stats().evictions), (None, 49, 0));
}

#[tokio::test]
async fn values_that_weigh_nothing_are_bounded_as_well() {
    let cache = Cache::<u64, u64>::builder().max_weight(100, |_, _| 0).build();
    for id in 0..1_000 {
        cache.insert(id, id).await;
    }
    assert_eq!(cache.len(), 100);
}

#[tokio::test]
async fn an_entry_may_live_longer_than_those_of_its_cache() {
    let cache = Cache::<u64, u64>::builder().ttl(Duration::ZERO).build();
    cache.insert(1, 1).await;
    cache.insert_with_ttl(2, 2, Duration::from_secs(60)).await;
    assert_eq!((cache.get(&1), cache.get(&2), cache.len()), (None, Some(2), 1));
}

/// Calls the cache when its thread ends, after what the cache keeps for that thread is gone.
struct AtTheEnd(std::cell::RefCell<Option<Cache<u64, Arc<u64>>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(cache) = self.0.take() {
            use futures::FutureExt as _;
            // It may find nothing, but what it removes is removed.
            cache.get(&1);
            cache.peek(&1);
            cache.insert(2, Arc::new(5)).now_or_never();
            assert!(cache.invalidate_local(&1));
            assert_ne!(cache.get(&2), Some(Arc::new(2)), "an older value than the one put in");
            cache.len();
            cache.stats();
        }
    }
}

thread_local! {
    static AT_THE_END: AtTheEnd = const { AtTheEnd(std::cell::RefCell::new(None)) };
}

#[test]
fn a_thread_may_call_the_cache_while_it_ends() {
    use futures::FutureExt as _;
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let cache = Cache::<u64, Arc<u64>>::builder()
            .ttl(Duration::from_secs(60))
            .policy(policy)
            .build();
        for id in 1..=3 {
            cache.insert(id, Arc::new(id)).now_or_never();
        }
        let held = cache.peek(&1).unwrap();
        let of_thread = cache.clone();
        std::thread::spawn(move || {
            // Before the cache is used here, so that it is destroyed after what the cache has here.
            AT_THE_END.with(|it| *it.0.borrow_mut() = Some(of_thread.clone()));
            assert!(of_thread.get(&3).is_some());
        })
        .join()
        .unwrap();
        assert_eq!((cache.get(&1), cache.get(&3)), (None, Some(Arc::new(3))));
        // And is dropped, though that thread is gone.
        support::wait_until(|| Arc::strong_count(&held) == 1);
    }
}

/// The same for a thread that has done nothing else with a cache but look.
#[test]
fn a_thread_that_has_only_looked_may_call_the_cache_while_it_ends() {
    let cache = Cache::<u64, Arc<u64>>::builder().unbounded().build();
    cache.insert_now(1);
    let held = cache.peek(&1).unwrap();
    std::thread::spawn({
        let cache = cache.clone();
        move || {
            AT_THE_END.with(|it| *it.0.borrow_mut() = Some(cache.clone()));
            assert!(cache.peek(&1).is_some());
        }
    })
    .join()
    .unwrap();
    support::wait_until(|| Arc::strong_count(&held) == 1);
}

/// Clears the cache when its thread ends.
struct ClearsAtTheEnd(std::cell::RefCell<Option<Cache<u64, Arc<u64>>>>);

impl Drop for ClearsAtTheEnd {
    fn drop(&mut self) {
        if let Some(cache) = self.0.take() {
            futures::FutureExt::now_or_never(cache.clear());
        }
    }
}

thread_local! {
    static CLEARS_AT_THE_END: ClearsAtTheEnd = const { ClearsAtTheEnd(std::cell::RefCell::new(None)) };
}

#[test]
fn what_a_thread_clears_while_it_ends_is_dropped() {
    for cache in [
        Cache::<u64, Arc<u64>>::builder().build(),
        Cache::builder().unbounded().build(),
    ] {
        cache.insert_now(1);
        let held = cache.peek(&1).unwrap();
        std::thread::spawn({
            let cache = cache.clone();
            move || {
                CLEARS_AT_THE_END.with(|it| *it.0.borrow_mut() = Some(cache.clone()));
                assert!(cache.get(&1).is_some());
            }
        })
        .join()
        .unwrap();
        assert!(cache.get(&1).is_none());
        support::wait_until(|| Arc::strong_count(&held) == 1);
    }
}

/// On a clock that is set by hand, with nobody to use the cache but who asks how large it is.
#[test]
fn what_was_found_expired_by_who_measures_is_dropped() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let clock = cache_core::Clock::manual();
        let cache = Cache::<u64, Arc<u64>>::builder()
            .ttl(Duration::from_secs(1))
            .clock(clock.clone())
            .policy(policy)
            .build();
        cache.insert_now(1);
        let held = cache.peek(&1).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!((cache.len(), cache.stats().expirations), (0, 1));
        support::wait_until(|| Arc::strong_count(&held) == 1);
    }
}

trait InsertNow {
    fn insert_now(&self, id: u64);
}

impl InsertNow for Cache<u64, Arc<u64>> {
    fn insert_now(&self, id: u64) {
        futures::FutureExt::now_or_never(self.insert(id, Arc::new(id)));
    }
}

/// A `tag_fn` is foreign code too: its panic is that of its caller, and nothing is kept without its tags.
#[tokio::test]
async fn tags_that_panic_harm_only_their_own_caller() {
    use futures::FutureExt as _;

    let cache = Cache::<u64, u64>::builder()
        .tags(|key| {
            assert_ne!(*key, 1, "told to panic");
            ["foreign"]
        })
        .tag_fn(|value| {
            assert_ne!(*value, 2, "told to panic");
            ["foreign"]
        })
        .build();
    for (key, value) in [(1, 0), (0, 2)] {
        let load = cache.get_or_load(key, || async { value });
        assert!(std::panic::AssertUnwindSafe(load).catch_unwind().await.is_err());
        let insert = cache.insert(key, value);
        assert!(std::panic::AssertUnwindSafe(insert).catch_unwind().await.is_err());
        assert_eq!(cache.peek(&key), None);
    }
    assert_eq!(cache.get_or_load(0, || async { 3 }).await, 3);
    assert_eq!(cache_core::invalidate_tag("foreign").await, 1);
}

/// An error whose drop panics, unless that is in the middle of another panic.
#[derive(Clone, Debug)]
struct Explosive(#[expect(dead_code, reason = "held to be dropped")] Arc<Fuse>);

#[derive(Debug)]
struct Fuse;

impl Drop for Fuse {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "told to panic");
    }
}

/// A kept failure is dropped by whoever puts something in its place. He is about to answer for what he has put there, a load or
/// a fence, and without him it would be there for ever.
#[tokio::test]
async fn kept_errors_whose_drop_panics_harm_nobody() {
    let clock = Clock::manual();
    let cache = Cache::<u64, u64>::builder()
        .err_ttl(Duration::from_secs(1))
        .max_size(1_000)
        .clock(clock.clone())
        .build();
    let cache = &cache;
    let fail = async |keys: std::ops::Range<u64>| {
        for key in keys {
            let failed = cache.try_get_or_load(key, || async { Err(Explosive(Arc::new(Fuse))) });
            assert!(failed.await.is_err());
        }
    };
    let load = async |key| {
        let load = || async { Ok::<_, Explosive>(key) };
        assert_eq!(soon(cache.try_get_or_load(key, load)).await.unwrap(), key);
    };

    fail(0..5).await;
    cache.begin_mutation(&0).await.finish().await;
    cache.refresh(1, || async { 1 }).await;
    cache.invalidate(&2).await;
    cache.insert(3, 3).await;
    clock.advance(Duration::from_secs(1));
    for key in 0..5 {
        load(key).await;
        assert_eq!(cache.peek(&key), Some(key));
    }

    // Two panics at once would end the process.
    fail(10..40).await;
    cache.begin_mutation_all().await.finish().await;
    fail(10..40).await;
    cache.clear().await;
    fail(10..40).await;
    cache.invalidate_many(&[10, 11]).await;
    cache.insert_many([(12, 12), (13, 13)]).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(cache.len(), 2);
    load(10).await;
    assert_eq!(cache.peek(&10), Some(10));
}

/// The reaper looks after many caches. While the drop of a value of one holds it up, it must not keep the others alive.
#[test]
fn the_reaper_keeps_no_cache_alive_but_the_one_it_is_at() {
    struct Slow(mpsc::Sender<()>, std::sync::Mutex<mpsc::Receiver<()>>);
    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.send(());
            let _ = self.1.lock().unwrap().recv_timeout(Duration::from_secs(20));
        }
    }
    let (dropping, is_dropping) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel();
    let first = Cache::<u64, Arc<Slow>>::builder().ttl(Duration::from_millis(1)).build();
    let second = Cache::<u64, Arc<()>>::builder()
        .name("the second")
        .ttl(Duration::from_secs(3600))
        .build();
    let value = Arc::new(());
    futures::executor::block_on(async {
        first
            .insert(1, Arc::new(Slow(dropping, std::sync::Mutex::new(go_on))))
            .await;
        second.insert(1, Arc::clone(&value)).await;
    });
    is_dropping.recv_timeout(Duration::from_secs(20)).unwrap();
    drop(second);
    let is_alive = cache_core::registry::get("the second").is_some();
    let count = Arc::strong_count(&value);
    let _ = let_go.send(());
    drop(first);
    assert!(!is_alive, "its last handle is gone");
    assert_eq!(count, 1, "and so are its values");
}
