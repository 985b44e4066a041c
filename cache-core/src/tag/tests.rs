//! What the index holds, and for how long.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;

use super::*;
use crate::agent::Resource;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::session::SessionId;
use crate::store::Store as _;

/// An index of its own, because the tests of a process share one.
fn own_index() -> &'static Index {
    Box::leak(Box::new(Index::new()))
}

fn cache(index: &'static Index, max_size: usize) -> Cache<u64, u64> {
    let mut builder = Cache::builder().max_size(max_size).clock(Clock::manual());
    builder.index = Some(index);
    builder.tags(|key| [format!("key:{key}")]).tag_fn(|_| ["all"]).build()
}

/// Lets go of what has left the store.
fn settle(cache: &Cache<u64, u64>) {
    cache.shared().store.settle();
}

#[tokio::test]
async fn the_index_holds_what_lives_and_nothing_else() {
    let index = own_index();
    let cache = cache(index, 100);
    let distinct = if cfg!(miri) { 1_000 } else { 100_000 };
    for key in 0..distinct {
        if key % 2 == 0 {
            cache.insert(key, 0).await;
        } else {
            cache.get_or_load(key, || async { 0 }).await;
        }
    }
    settle(&cache);
    assert_eq!(
        index.occupancy(),
        (101, 0),
        "one for each entry, and the one they share"
    );
    assert!(index.room() < 64 * 64, "{} records have room", index.room());

    assert_eq!(index.invalidate(&Tag::user("all")).await, 100);
    settle(&cache);
    assert_eq!(index.occupancy(), (0, 0));

    cache.insert(1, 1).await;
    drop(cache);
    assert_eq!(index.occupancy(), (0, 0), "a cache takes its entries along");
}

#[tokio::test]
async fn every_way_out_of_a_cache_is_one_out_of_the_index() {
    let index = own_index();
    let clock = Clock::manual();
    let mut builder = Cache::<u64, u64>::builder().max_size(2).clock(clock.clone());
    builder.index = Some(index);
    let cache = builder
        .ttl(std::time::Duration::from_secs(1))
        .tags(|key| [format!("key:{key}")])
        .build();
    let len = || {
        settle(&cache);
        index.occupancy().0
    };
    cache.insert(1, 1).await;
    assert_eq!(len(), 1);
    cache.insert(1, 2).await;
    assert_eq!(len(), 1, "replaced");
    cache.invalidate(&1).await;
    assert_eq!(len(), 0, "invalidated");
    for key in 0..5 {
        cache.insert(key, key).await;
    }
    assert_eq!(len(), 2, "evicted");
    cache.clear().await;
    assert_eq!(len(), 0, "cleared");
    cache.insert(1, 1).await;
    clock.advance(std::time::Duration::from_secs(1));
    assert!(cache.is_empty());
    assert_eq!(len(), 0, "expired");
    let guard = cache.begin_mutation(&1).await;
    cache.insert(1, 1).await;
    assert_eq!(len(), 0, "refused by the key");
    guard.finish().await;
    let guard = MutationGuard::tag(index, Tag::user("key:1"));
    cache.insert(1, 1).await;
    assert_eq!(len(), 1, "refused by the tag, which has a fence");
    guard.finish().await;
    assert_eq!(len(), 0);
}

#[tokio::test]
async fn notes_last_as_long_as_a_load_that_may_need_them() {
    let index = own_index();
    let cache = cache(index, 100);
    {
        let mut first = Box::pin(cache.get_or_load(1, pending));
        assert!((&mut first).now_or_never().is_none());
        for n in 0..1_000 {
            index.invalidate(&Tag::user(&format!("other:{n}"))).await;
        }
        assert_eq!(
            index.occupancy(),
            (1_000, 1_001),
            "notes, and the load that may need them"
        );
        let mut second = Box::pin(cache.get_or_load(2, pending));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(index.occupancy(), (0, 1), "the second began after them");
    }
    assert_eq!(index.occupancy(), (0, 0));
    index.invalidate(&Tag::user("nobody's")).await;
    assert_eq!(index.occupancy(), (0, 0), "nobody can need this one");
}

#[tokio::test]
async fn what_comes_and_goes_beside_a_load_that_takes_for_ever_leaves_little() {
    let index = own_index();
    let cache = cache(index, 100);
    let mut stuck = Box::pin(cache.get_or_load(1, pending));
    assert!((&mut stuck).now_or_never().is_none());
    for n in 0..10_000 {
        index.invalidate(&Tag::user(&format!("other:{}", n % 10))).await;
        cache.get_or_load(2 + n, || async { 0 }).await;
    }
    settle(&cache);
    let (records, noted) = index.occupancy();
    assert!(
        records <= 111 && noted < 100,
        "{records} records, {noted} notes and loads"
    );
    assert_eq!(index.invalidate(&Tag::user("other:3")).await, 0);
    let mut other = Box::pin(cache.get_or_load(1_000_000, pending));
    assert!((&mut other).now_or_never().is_none());
    drop(stuck);
    drop(other);
    assert_eq!(index.occupancy().1, 0);
}

#[tokio::test]
async fn a_flight_that_somebody_still_waits_for_keeps_no_notes_once_it_has_landed() {
    let index = own_index();
    let cache = cache(index, 100);
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut leader = Box::pin(cache.get_or_load(1, || async { receive.await.unwrap_or(0) }));
    assert!((&mut leader).now_or_never().is_none());
    let mut waiter = Box::pin(cache.get_or_load(1, pending));
    assert!((&mut waiter).now_or_never().is_none());
    index.invalidate(&Tag::user("other")).await;
    assert!(send.send(7).is_ok());
    assert_eq!((&mut leader).now_or_never(), Some(7));
    assert_eq!(index.occupancy().1, 0);
    assert_eq!((&mut waiter).now_or_never(), Some(7));
}

#[tokio::test]
async fn an_invalidation_that_is_dropped_goes_through_all_the_same() {
    let index = own_index();
    let cache = cache(index, 10_000);
    for key in 0..5_000 {
        cache.insert(key, 0).await;
    }
    let tag = Tag::user("all");
    let mut invalidation = Box::pin(index.invalidate(&tag));
    assert!((&mut invalidation).now_or_never().is_none(), "others get their turn");
    assert!(!cache.is_empty());
    drop(invalidation);
    assert!(cache.is_empty());
}

/// While one evicts, another of the same tag may not return before what both cover is gone.
#[tokio::test]
async fn two_invalidations_of_one_tag_both_see_it_through() {
    let index = own_index();
    let cache = cache(index, 10_000);
    for key in 0..5_000 {
        cache.insert(key, 0).await;
    }
    let tag = Tag::user("all");
    let mut first = Box::pin(index.invalidate(&tag));
    assert!((&mut first).now_or_never().is_none());
    let second = index.invalidate(&tag).await;
    assert!(cache.is_empty());
    assert_eq!(first.await + second, 5_000, "each counts what it evicted");
}

/// The names of the library's own tags, whatever users write into theirs.
#[test]
fn no_two_tags_have_one_name() {
    let session = |id: &str| SessionId::from(id);
    let (a, b) = (Resource::new("a"), Resource::new("1:ba"));
    let tags = [
        Tag::user("a"),
        Tag::user("ra"),
        Tag::user("\0ra"),
        Tag::user("\0sa"),
        Tag::user("\0u\0ra"),
        Tag::user("\0"),
        Tag::user("u"),
        Tag::user("\0u"),
        Tag::user(""),
        Tag::resource(a),
        Tag::resource(b),
        Tag::session(&session("a")),
        Tag::session(&session("")),
        Tag::part(a, &session("b")),
        Tag::part(a, &session("")),
        Tag::part(Resource::new("ba"), &session("")),
        Tag::part(b, &session("")),
        Tag::part(b, &session("a")),
        Tag::key(a, 1),
        Tag::key(b, 1),
        Tag::part_key(a, &session(""), 1),
        Tag::part_key(a, &session("b"), 1),
    ];
    let distinct: std::collections::HashSet<_> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len());
}

/// More tags than one, many threads, all at once; in the end nothing is left.
#[test]
fn threads_that_list_and_invalidate_leave_nothing() {
    let index = own_index();
    let cache = cache(index, 64);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let load = cache.get_or_load(n % 200, || async { n });
                    futures::executor::block_on(load);
                    if n.is_multiple_of(7) {
                        let tag = Tag::user(&format!("key:{}", n % 13));
                        futures::executor::block_on(index.invalidate(&tag));
                    }
                    if n.is_multiple_of(1_001) {
                        drop(MutationGuard::tag(index, Tag::user("all")));
                    }
                }
            });
        }
    });
    futures::executor::block_on(index.invalidate(&Tag::user("all")));
    assert!(cache.is_empty());
    settle(&cache);
    assert_eq!(index.occupancy(), (0, 0));
}

/// Making room smaller goes through all of it, which must not happen for each member that leaves.
#[tokio::test]
async fn the_room_of_a_tag_is_made_smaller_seldom() {
    let index = own_index();
    let cache = cache(index, 10_000);
    let tag = Tag::user("all");
    for key in 0..10_000 {
        cache.insert(key, 0).await;
    }
    for key in 0..9_000 {
        cache.invalidate(&key).await;
    }
    settle(&cache);
    let mut rooms = std::collections::BTreeSet::new();
    // The youngest first, each of which has the last place.
    for key in (9_000..10_000).rev() {
        cache.invalidate(&key).await;
        settle(&cache);
        rooms.insert(index.room_of(&tag));
    }
    assert!(rooms.len() < 20, "{} different sizes", rooms.len());
    assert_eq!(index.occupancy(), (0, 0));
}

/// Beside a load that takes for ever there may be very many tags. It is not kept then, and nobody joins it.
#[tokio::test]
async fn a_load_that_takes_for_ever_does_not_gather_notes_for_ever() {
    let index = own_index();
    let cache = cache(index, 100);
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut stuck = Box::pin(cache.get_or_load(1, || async { receive.await.unwrap_or(0) }));
    assert!((&mut stuck).now_or_never().is_none());
    let mut most = 0;
    for n in 0..200_000 {
        index.invalidate(&Tag::user(&format!("other:{n}"))).await;
        most = most.max(index.occupancy().0);
    }
    assert!(most < 100_000, "{most} records");
    let mut late = Box::pin(cache.get_or_load(1, || async { 2 }));
    assert_eq!((&mut late).now_or_never(), Some(2), "loads for itself");
    assert!(send.send(1).is_ok());
    assert_eq!(stuck.await, 1);
    assert_eq!(cache.peek(&1), Some(2));

    let (send, receive) = tokio::sync::oneshot::channel();
    let mut again = Box::pin(cache.refresh(1, || async { receive.await.unwrap_or(0) }));
    assert!((&mut again).now_or_never().is_none());
    assert!(send.send(3).is_ok());
    assert_eq!((again.await, cache.peek(&1)), (3, Some(3)), "what began later is kept");
    assert_eq!(index.occupancy(), (2, 0));
}
