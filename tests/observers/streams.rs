//! Events as a stream.

use super::*;

#[tokio::test]
async fn a_stream_has_all_events_and_ends_with_the_cache() {
    fn is_stream<T: Stream + Send + Sync + Unpin + 'static>(_: &T) {}
    let (cache, clock) = timed(Policy::Lru, 2, seconds(5));
    let mut events = cache.events();
    is_stream::<Events<u64, u64>>(&events);
    cache.insert(1, 10).await;
    assert_eq!(told(&events.recv().await.unwrap().unwrap()), inserted(1, 10));
    assert!(events.recv().now_or_never().is_none());
    cache.insert(2, 20).await;
    cache.insert(3, 30).await;
    clock.advance(seconds(5));
    assert!(cache.is_empty());
    drop(cache);
    let rest: Vec<_> = soon((&mut events).map(|event| told(&event.unwrap())).collect()).await;
    assert_eq!(
        rest,
        [
            inserted(2, 20),
            inserted(3, 30),
            gone(1, Cause::Evicted, 10),
            gone(2, Cause::Expired, 20),
            gone(3, Cause::Expired, 30)
        ]
    );
    assert!(soon(events.recv()).await.is_none());
}

#[tokio::test]
async fn who_waits_for_an_event_is_woken_by_it_and_by_the_end() {
    let cache = plain(Policy::Lru, 2);
    let mut events = cache.events();
    let reader = tokio::spawn(async move {
        let first = told(&events.recv().await.unwrap().unwrap());
        (first, events.recv().await.is_none())
    });
    tokio::task::yield_now().await;
    cache.insert(1, 10).await;
    tokio::task::yield_now().await;
    drop(cache);
    assert_eq!(soon(reader).await.unwrap(), (inserted(1, 10), true));
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_missed_and_holds_up_nobody() {
    let cache = plain(Policy::Lru, 100);
    let mut slow = cache.events_with_capacity(4);
    let mut quick = cache.events_with_capacity(16);
    for key in 0..10 {
        cache.insert(key, key).await;
    }
    assert_eq!(slow.recv().await.unwrap().unwrap_err(), Missed(6));
    for key in 6..10 {
        assert_eq!(*slow.recv().await.unwrap().unwrap().key(), key);
    }
    cache.insert(10, 10).await;
    assert_eq!(*slow.recv().await.unwrap().unwrap().key(), 10);
    for key in 0..11 {
        assert_eq!(*quick.recv().await.unwrap().unwrap().key(), key);
    }
    let shown = Missed(6).to_string();
    assert!(shown.contains('6') && shown.contains("events_with_capacity"), "{shown}");
}

#[tokio::test]
async fn odd_capacities_are_made_to_fit() {
    let cache = plain(Policy::Lru, 100);
    let mut none = cache.events_with_capacity(0);
    let mut all = cache.events_with_capacity(usize::MAX);
    cache.insert(1, 1).await;
    cache.insert(2, 2).await;
    assert_eq!(none.recv().await.unwrap().unwrap_err(), Missed(1));
    assert_eq!(*none.recv().await.unwrap().unwrap().key(), 2);
    assert_eq!(*all.recv().await.unwrap().unwrap().key(), 1);
}

#[tokio::test]
async fn dropping_a_stream_ends_its_subscription() {
    let cache = Cache::<u64, Arc<()>>::builder().build();
    let value = Arc::new(());
    let events = cache.events();
    cache.insert(1, Arc::clone(&value)).await;
    drop(events);
    cache.insert(2, Arc::clone(&value)).await;
    cache.clear().await;
    // Nobody is left who holds an event.
    until(|| Arc::strong_count(&value) == 1).await;
}
