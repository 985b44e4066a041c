//! The promise for tags that only the loaded value tells, and what an invalidation of a tag does and leaves alone. What holds
//! for every way to invalidate is in `coherence.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Cache, Clock, Policy, begin_tag_mutation, invalidate_tag};
use support::{Fate, Source, soon};

/// A cache whose values are versions, tagged by them alone.
fn by_value(prefix: &'static str) -> (Cache<u64, u64>, Arc<Source>) {
    let cache = Cache::builder()
        .tag_fn(move |version| [format!("{prefix}:{version}"), format!("{prefix}:any")])
        .build();
    (cache, Arc::new(Source::new(1)))
}

fn call(cache: &Cache<u64, u64>, source: &Arc<Source>) -> tokio::task::JoinHandle<u64> {
    let (cache, source) = (cache.clone(), Arc::clone(source));
    tokio::spawn(async move { cache.get_or_load(7, || source.read()).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_is_refused_by_a_tag_that_only_its_value_tells() {
    let (cache, source) = by_value("refused");
    for mutation in [false, true] {
        let old = call(&cache, &source);
        let read = source.started().await;
        if mutation {
            begin_tag_mutation("refused:1").await.finish().await;
        } else {
            assert_eq!(invalidate_tag("refused:1").await, 0);
        }
        read.go_on();
        assert_eq!(soon(old).await.unwrap(), 1);
        assert_eq!(cache.peek(&7), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tag_leaves_a_load_alone() {
    let (cache, source) = by_value("alone");
    let load = call(&cache, &source);
    let read = source.started().await;
    assert_eq!(invalidate_tag("alone:2").await, 0);
    let waiter = call(&cache, &source);
    support::until(|| cache.stats().misses == 2).await;
    read.go_on();
    assert_eq!((soon(load).await.unwrap(), soon(waiter).await.unwrap()), (1, 1));
    assert_eq!(cache.peek(&7), Some(1));
    assert_eq!(source.reads(), 1, "and leaves it shared");
}

/// Who came before the invalidation may have the value, who came after may not.
#[tokio::test(flavor = "multi_thread")]
async fn who_joins_after_an_invalidation_asks_again() {
    let (cache, source) = by_value("joined");
    let leader = call(&cache, &source);
    let read = source.started().await;
    let early = call(&cache, &source);
    support::until(|| cache.stats().misses == 2).await;
    source.set(2);
    invalidate_tag("joined:1").await;
    let late: Vec<_> = (0..3).map(|_| call(&cache, &source)).collect();
    support::until(|| cache.stats().misses == 5).await;
    read.go_on();
    assert_eq!((soon(leader).await.unwrap(), soon(early).await.unwrap()), (1, 1));
    let again = source.started().await;
    assert_eq!(again.value, 2);
    again.go_on();
    for late in late {
        assert_eq!(soon(late).await.unwrap(), 2);
    }
    assert_eq!(
        (source.reads(), cache.peek(&7)),
        (2, Some(2)),
        "one load for all who asked again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_keeps_out_what_its_value_tells_and_lets_it_in_afterwards() {
    let (cache, source) = by_value("fenced");
    let guard = begin_tag_mutation("fenced:1").await;
    let during = call(&cache, &source);
    source.started().await.go_on();
    assert_eq!(soon(during).await.unwrap(), 1);
    assert_eq!(cache.peek(&7), None);
    cache.insert(7, 1).await;
    assert_eq!(cache.peek(&7), None, "nor by hand");
    cache.insert(7, 2).await;
    assert_eq!(cache.peek(&7), Some(2), "what carries another tag is kept");
    cache.insert(7, 1).await;
    assert_eq!(
        cache.peek(&7),
        None,
        "a value that is refused still takes the place of the former one"
    );
    let across = call(&cache, &source);
    let read = source.started().await;
    guard.finish().await;
    read.go_on();
    soon(across).await.unwrap();
    assert_eq!(cache.peek(&7), None, "began before the end of the mutation");
    let after = call(&cache, &source);
    source.started().await.go_on();
    soon(after).await.unwrap();
    assert_eq!(cache.peek(&7), Some(1));
}

#[tokio::test]
async fn guards_of_one_tag_may_overlap() {
    let (cache, _) = by_value("overlap");
    let (first, second) = (
        begin_tag_mutation("overlap:any").await,
        begin_tag_mutation("overlap:any").await,
    );
    drop(first);
    cache.insert(7, 1).await;
    assert_eq!(cache.peek(&7), None);
    drop(second);
    cache.insert(7, 1).await;
    assert_eq!(cache.peek(&7), Some(1));
}

/// A reload keeps nothing if a tag of what it found was invalidated meanwhile, and of what it came to replace nothing either.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_and_failures_take_part() {
    let (cache, source) = by_value("reload");
    cache.insert(7, 5).await;
    let reload = tokio::spawn({
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        async move { cache.refresh(7, || source.read()).await }
    });
    let read = source.started().await;
    invalidate_tag("reload:1").await;
    assert_eq!(cache.peek(&7), Some(5), "carries another tag");
    read.go_on();
    assert_eq!(soon(reload).await.unwrap(), 1);
    assert_eq!(cache.peek(&7), None);

    let failing = tokio::spawn({
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        async move { cache.try_get_or_load(7, || source.try_read()).await }
    });
    let read = source.started().await;
    invalidate_tag("reload:1").await;
    read.end(Fate::Fail);
    assert_eq!(soon(failing).await.unwrap(), Err("failed"));
    cache.insert(7, 1).await;
    assert_eq!(cache.peek(&7), Some(1));
}

#[tokio::test]
async fn all_caches_of_the_process_are_covered_and_only_what_carries_the_tag() {
    let clock = Clock::manual();
    let names = Cache::<u64, String>::builder()
        .tags(|id| [format!("across:{id}")])
        .build();
    let carts = Cache::<String, u32>::builder()
        .policy(Policy::TinyLfu)
        .ttl(Duration::from_secs(60))
        .clock(clock.clone())
        .tags(|id| [format!("across:{id}"), "across".to_owned()])
        .build();
    let empty = Cache::<u64, u64>::builder().tags(|_| ["across"]).build();
    for id in 0..3 {
        names.insert(id, "Ada".to_owned()).await;
        carts.insert(id.to_string(), 1).await;
    }
    assert_eq!(invalidate_tag("across:1").await, 2);
    assert_eq!(invalidate_tag("across:1").await, 0, "they are gone");
    assert_eq!((names.len(), carts.len()), (2, 2));
    assert_eq!((names.stats().invalidations, carts.stats().invalidations), (1, 1));
    assert_eq!(invalidate_tag("across").await, 2);
    assert_eq!((names.len(), carts.len(), empty.len()), (2, 0, 0));
    assert_eq!(invalidate_tag("").await + invalidate_tag("across:").await, 0);

    carts.insert("4".to_owned(), 1).await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(invalidate_tag("across:4").await, 0, "nobody could have got it");
    drop(names);
    assert_eq!(invalidate_tag("across:2").await, 0, "its cache is gone");
}

/// Tags are exact, and may hold anything; the same one twice is one.
#[tokio::test]
async fn tags_are_exact_whatever_they_hold() {
    let strange = [
        "",
        " ",
        "u",
        "tag:\0",
        "tag:\u{1F}",
        "tag:ä",
        "TAG:Ä",
        "tag:%",
        "tag:{x}",
    ];
    let cache = Cache::<usize, u64>::builder()
        .tags(move |at| [format!("exact{}", strange[*at]), format!("exact{}", strange[*at])])
        .build();
    for at in 0..strange.len() {
        cache.insert(at, 0).await;
    }
    for (at, tag) in strange.iter().enumerate() {
        assert_eq!(invalidate_tag(format!("exact{tag}")).await, 1);
        assert_eq!(cache.len(), strange.len() - at - 1);
    }
}

/// An entry may have very many tags, and a tag very many entries.
#[tokio::test]
async fn many_tags_and_many_entries() {
    let cache = Cache::<u64, u64>::builder()
        .max_size(10_000)
        .tags(|key| -> Vec<String> {
            let many = if *key == 0 { 20_000 } else { 1 };
            (0..many).map(|n| format!("many:{n}")).collect()
        })
        .build();
    for key in 0..5_000 {
        cache.insert(key, key).await;
    }
    assert_eq!(invalidate_tag("many:19999").await, 1);
    assert_eq!(invalidate_tag("many:0").await, 4_999);
    assert!(cache.is_empty());
}

/// An invalidation that is held up half way, by a value's drop, holds up neither hits nor loads nor invalidations of others.
#[test]
fn an_invalidation_blocks_nobody_else() {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    struct Slow(Sender<()>, Mutex<Receiver<()>>);
    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.send(());
            let _ = self.1.lock().unwrap().recv();
        }
    }

    let block_on = futures::executor::block_on::<std::pin::Pin<Box<dyn Future<Output = ()>>>>;
    let cache = Cache::<u64, Option<Arc<Slow>>>::builder()
        .tags(|key| [format!("slow:{key}"), "slow".to_owned()])
        .build();
    let (dropping, is_dropping) = channel();
    let (let_go, go_on) = channel();
    let slow = Some(Arc::new(Slow(dropping, Mutex::new(go_on))));
    block_on(Box::pin({
        let cache = cache.clone();
        async move {
            cache.insert(1, slow).await;
            cache.insert(2, None).await;
        }
    }));
    std::thread::scope(|scope| {
        // Dropped if something fails here, so that nobody is waited for.
        let let_go = let_go;
        let invalidating = scope.spawn(|| futures::executor::block_on(invalidate_tag("slow:1")));
        // In the invalidation, or in the reaper if that came first.
        is_dropping.recv().unwrap();
        assert!(cache.get(&2).is_some());
        block_on(Box::pin({
            let cache = cache.clone();
            async move {
                assert!(cache.get_or_load(1, || async { None }).await.is_none());
                assert!(cache.get_or_load(3, || async { None }).await.is_none());
                assert_eq!(invalidate_tag("slow:3").await, 1);
                assert_eq!(invalidate_tag("slow").await, 2);
            }
        }));
        let_go.send(()).unwrap();
        assert_eq!(invalidating.join().unwrap(), 1);
    });
}

/// What is too heavy is not kept, but whoever waited for it has it still, and its tag with it. That it is invalidated must
/// not be counted as if it had been in the store.
#[tokio::test]
async fn a_tagged_value_that_was_never_stored_is_not_evicted() {
    use futures::FutureExt as _;
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let cache = Cache::<u64, u32>::builder()
            .max_weight(10, |_, value| *value)
            .policy(policy)
            .tags(|_| ["heavy"])
            .build();
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut leader = Box::pin(cache.get_or_load(1, || async { receive.await.unwrap() }));
        assert!((&mut leader).now_or_never().is_none());
        let mut waiter = Box::pin(cache.get_or_load(1, || async { 0 }));
        assert!((&mut waiter).now_or_never().is_none());
        send.send(100).unwrap();
        assert_eq!((&mut leader).now_or_never(), Some(100));
        assert_eq!(cache.peek(&1), None, "too heavy");

        cache.insert(1, 1).await;
        cache.insert(2, 2).await;
        let events = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let _subscription = cache.observe(move |event| told.lock().unwrap().push(event.old_value().copied()));
        assert_eq!(invalidate_tag("heavy").await, 2);
        assert_eq!(cache.len(), 0);
        events.lock().unwrap().sort_unstable();
        assert_eq!(*events.lock().unwrap(), [Some(1), Some(2)]);
        cache.insert(3, 3).await;
        assert_eq!((cache.peek(&3), cache.len()), (Some(3), 1), "{policy:?}");
        assert_eq!(waiter.await, 100);
    }
}

/// The same where nothing is kept at all.
#[tokio::test]
async fn nothing_is_evicted_from_a_cache_that_keeps_nothing() {
    use futures::FutureExt as _;
    let cache = Cache::<u64, u32>::builder().max_size(0).tags(|_| ["none"]).build();
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut leader = Box::pin(cache.get_or_load(1, || async { receive.await.unwrap() }));
    assert!((&mut leader).now_or_never().is_none());
    let mut waiter = Box::pin(cache.get_or_load(1, || async { 0 }));
    assert!((&mut waiter).now_or_never().is_none());
    send.send(7).unwrap();
    assert_eq!((&mut leader).now_or_never(), Some(7));
    assert_eq!(invalidate_tag("none").await, 0);
    assert_eq!((cache.len(), cache.stats().invalidations), (0, 0));
    assert_eq!(waiter.await, 7);
}
