//! Caches of a test's own.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use cache_core::observer::{self, Cause};
use cache_core::testing::{self, disabled, isolated};
use cache_core::{
    Cache, Clock, Stats, agent_cached, agent_invalidates, begin_tag_mutation, cached_in, cached_lru, invalidate_tag,
    invalidates, registry, session,
};
use futures::FutureExt as _;

use crate::support::{Source, soon, until, wait_until};

const MINUTE: Duration = Duration::from_secs(60);

/// A function for each test that looks at what is outside: other tests run beside it.
macro_rules! number {
    ($name:ident) => {
        #[cached_lru(skip(value))]
        async fn $name(id: u64, value: u64) -> u64 {
            let _ = id;
            value
        }
    };
}

number!(two_tests);

#[tokio::test]
async fn two_tests_and_the_rest_do_not_see_each_other() {
    two_tests(1, 10).await;
    for value in [20, 30] {
        isolated(async {
            assert_eq!((two_tests::cache().get(&1), two_tests::cache().len()), (None, 0));
            assert_eq!(two_tests(1, value).await, value);
            assert_eq!(two_tests(1, 0).await, value);
            assert_eq!(two_tests(2, value).await, value);
            assert!(two_tests::invalidate(1).await);
            assert_eq!(two_tests(1, value + 1).await, value + 1);
        })
        .await;
    }
    assert_eq!((two_tests(1, 0).await, two_tests::peek(2)), (10, None));
    isolated(two_tests::clear()).await;
    assert_eq!(two_tests(1, 0).await, 10);
}

#[tokio::test]
async fn many_at_once_are_isolated() {
    let cache = Cache::<u64, u64>::builder().build();
    cache.insert_many([(1, 1), (2, 2)]).await;
    isolated(async {
        assert_eq!(cache.get_many(&[1, 2]), [None, None]);
        cache.insert_many([(1, 10), (3, 30)]).await;
        assert_eq!(cache.get_many(&[1, 2, 3]), [Some(10), None, Some(30)]);
        assert_eq!(cache.invalidate_many(&[1, 2, 3]).await, 2);
    })
    .await;
    assert_eq!(cache.get_many(&[1, 2, 3]), [Some(1), Some(2), None]);
}

static LISTED: std::sync::LazyLock<Cache<u64, u64>> = std::sync::LazyLock::new(|| Cache::builder().max_size(2).build());

#[cached_in(LISTED, skip(value))]
async fn listed(id: u64, value: u64) -> u64 {
    let _ = id;
    value
}

struct Owner {
    numbers: Cache<u64, u64>,
}

impl Owner {
    #[cached_in(self.numbers, skip(value))]
    async fn number(&self, id: u64, value: u64) -> u64 {
        let _ = id;
        value
    }

    #[cached_lru(skip(self, value))]
    async fn shared(&self, id: u64, value: u64) -> u64 {
        let _ = id;
        value
    }
}

#[tokio::test]
async fn methods_and_caches_of_ones_own_are_isolated() {
    let owner = Owner {
        numbers: Cache::builder().build(),
    };
    for value in [1, 2] {
        let test = async {
            assert_eq!(listed(1, value).await, value);
            assert_eq!(owner.number(1, value).await, value);
            assert_eq!(owner.shared(1, value).await, value);
            assert_eq!(owner.numbers.clone().get_or_load(1, || async { 0 }).await, value);
        };
        if value == 1 { test.await } else { isolated(test).await }
    }
    assert_eq!(
        (listed(1, 0).await, owner.number(1, 0).await, owner.shared(1, 0).await),
        (1, 1, 1)
    );
}

/// Size, weight, age, kind, tags and the name are those of the cache outside.
#[tokio::test(start_paused = true)]
async fn an_isolated_cache_is_set_up_like_the_one_it_stands_for() {
    let clock = Clock::manual();
    let small = Cache::<u64, u64>::builder().name("small").max_size(2).build();
    let light = Cache::<u64, u64>::builder()
        .max_weight(10, |_, value| u32::try_from(*value).unwrap())
        .build();
    let aging = Cache::<u64, u64>::builder().ttl(MINUTE).err_ttl(MINUTE).build();
    let by_hand = Cache::<u64, u64>::builder().ttl(MINUTE).clock(clock.clone()).build();
    let tagged = Cache::<u64, u64>::builder()
        .tags(|id| [format!("set up {id}")])
        .tag_fn(|value| [format!("set up as {value}")])
        .build();
    let test = async || {
        for id in 0..3 {
            small.insert(id, id).await;
            light.insert(id, 5).await;
        }
        assert_eq!((small.len(), light.len(), small.name()), (2, 2, "small"));
        let stats = small.stats();
        assert_eq!((stats.insertions, stats.evictions), (3, 1));

        aging.insert(1, 1).await;
        by_hand.insert(1, 1).await;
        assert_eq!(aging.try_get_or_load(2, || async { Err("no") }).await, Err("no"));
        assert_eq!(aging.try_get_or_load(2, || async { Ok(2) }).await, Err("no"));
        tokio::time::advance(MINUTE).await;
        assert_eq!((aging.get(&1), by_hand.get(&1)), (None, Some(1)));
        clock.advance(MINUTE);
        assert_eq!(by_hand.get(&1), None);

        tagged.insert(1, 2).await;
        tagged.get_or_load(3, || async { 4 }).await;
        assert_eq!(
            (invalidate_tag("set up 1").await, invalidate_tag("set up as 4").await),
            (1, 1)
        );
        assert!(tagged.is_empty());
    };
    test().await;
    isolated(test()).await;
}

number!(counted);

#[tokio::test]
async fn statistics_are_its_own() {
    counted(1, 1).await;
    let before = counted::stats();
    isolated(async {
        assert_eq!(counted::stats(), Stats::default());
        counted(1, 1).await;
        counted(1, 1).await;
        let stats = counted::stats();
        assert_eq!((stats.hits, stats.misses, stats.loads, stats.len), (1, 1, 1, 1));
        counted::cache().reset_stats();
    })
    .await;
    assert_eq!(counted::stats(), before);
}

#[cached_lru(tags("isolated user"), tag_fn = |value: &u64| [format!("isolated value {value}")], skip(value))]
async fn tagged(id: u64, value: u64) -> u64 {
    let _ = id;
    value
}

#[invalidates(tag = "isolated user")]
async fn change_user() {}

#[tokio::test]
async fn tags_inside_and_outside_are_not_the_same() {
    tagged(1, 5).await;
    let mut test = pin!(isolated(async {
        tagged(1, 5).await;
        tagged(2, 6).await;
        tokio::task::yield_now().await;
        // What was invalidated outside meanwhile is still here.
        assert_eq!(tagged::cache().len(), 2);
        assert_eq!(invalidate_tag("isolated value 6").await, 1);
        assert_eq!(invalidate_tag("isolated value 5").await, 1);
        tagged(1, 5).await;
        change_user().await;
        assert!(tagged::cache().is_empty());
    }));
    assert!((&mut test).now_or_never().is_none());
    assert_eq!(invalidate_tag("isolated value 5").await, 1);
    change_user().await;
    tagged(3, 6).await;
    soon(test).await;
    assert_eq!(tagged::peek(3), Some(6));
    let guard = isolated(begin_tag_mutation("isolated user")).await;
    tagged(4, 7).await;
    drop(guard);
    assert_eq!((tagged::peek(3), tagged::peek(4)), (Some(6), Some(7)));
}

/// A load that is under way inside is neither refused nor given up for what is invalidated outside, and the other way round.
#[tokio::test]
async fn what_loads_inside_does_not_mind_what_happens_outside() {
    let source = Source::new(1);
    let cache = Cache::<u64, u64>::builder().tags(|_| ["isolated load"]).build();
    let load = || cache.get_or_load(1, || source.read());
    let mut inside = pin!(isolated(async {
        load().await;
        cache.peek(&1)
    }));
    let mut outside = pin!(load());
    assert!((&mut inside).now_or_never().is_none());
    let first = source.started().await;
    // It is not joined.
    assert!((&mut outside).now_or_never().is_none());
    let second = source.started().await;
    assert_eq!(invalidate_tag("isolated load").await, 0);
    cache.clear().await;
    first.go_on();
    assert_eq!(soon(inside).await, Some(1));
    second.go_on();
    soon(outside).await;
    assert_eq!(cache.peek(&1), None);

    let mut outside = pin!(load());
    assert!((&mut outside).now_or_never().is_none());
    let third = source.started().await;
    isolated(async {
        invalidate_tag("isolated load").await;
        cache.invalidate(&1).await;
        drop(cache.begin_mutation_all().await);
    })
    .await;
    third.go_on();
    soon(outside).await;
    assert_eq!(cache.peek(&1), Some(1));
}

/// A guard and a load are of the place where they began.
#[tokio::test]
async fn what_began_inside_ends_inside() {
    let source = Source::new(1);
    let cache = Cache::<u64, u64>::builder().build();
    cache.insert(1, 5).await;
    cache.insert(2, 5).await;
    let place = isolated(async { testing::current() }).await;
    let guard = place.clone().scope(cache.begin_mutation(&1)).await;
    place.clone().scope(cache.insert(1, 6)).await;
    assert_eq!(place.clone().scope(async { cache.peek(&1) }).await, None);
    cache.insert(1, 7).await;
    guard.finish().await;
    assert_eq!(cache.peek(&1), Some(7));
    place.clone().scope(cache.insert(1, 6)).await;
    assert_eq!(place.clone().scope(async { cache.peek(&1) }).await, Some(6));

    // Polled here and there.
    let mut load = Box::pin(cache.get_or_load(3, || source.read()));
    place
        .clone()
        .scope(async { assert!((&mut load).now_or_never().is_none()) })
        .await;
    source.started().await.go_on();
    soon(load).await;
    assert_eq!(cache.peek(&3), None);
    assert_eq!(place.scope(async { cache.peek(&3) }).await, Some(1));
}

#[agent_cached(resource = "isolated cart", scope = "session")]
async fn view_cart() -> u64 {
    1
}

#[agent_cached(resource = "isolated cart")]
async fn find_cart(id: u64) -> u64 {
    id
}

#[agent_invalidates(resource = "isolated cart")]
async fn empty_carts() {}

#[agent_invalidates(resource = "isolated cart", key_fn = |id| id)]
async fn empty_cart(id: u64) {
    let _ = id;
}

#[tokio::test]
async fn sessions_and_resources_are_its_own() {
    let fill = async || {
        session::scope("isolated", view_cart()).await;
        find_cart(7).await;
        find_cart(8).await;
    };
    let count = || (view_cart::cache().len(), find_cart::cache().len());
    fill().await;
    isolated(async {
        assert_eq!(count(), (0, 0));
        assert_eq!(session::end("isolated").await, 0);
        fill().await;
        empty_cart(7).await;
        assert_eq!(count(), (1, 1));
        empty_carts().await;
        assert_eq!(count(), (0, 0));
        fill().await;
        assert_eq!(session::end("isolated").await, 1);
    })
    .await;
    assert_eq!(count(), (1, 2));
    // A session goes on within.
    session::scope(
        "isolated",
        isolated(async {
            view_cart().await;
            assert_eq!(view_cart::peek(), Some(1));
        }),
    )
    .await;
    assert_eq!(session::end("isolated").await, 1);
}

number!(watched);

#[tokio::test]
async fn observers_are_told_of_where_they_were_added() {
    type Told = Arc<Mutex<Vec<(Cause, u64)>>>;
    let (outside, inside, all_outside, all_inside) =
        (Told::default(), Told::default(), Told::default(), Told::default());
    let tell = |told: &Told| {
        let told = Arc::clone(told);
        move |event: &observer::Event<u64, u64>| told.lock().unwrap().push((event.cause(), *event.key()))
    };
    let tell_of_all = |told: &Told| {
        let (told, name) = (Arc::clone(told), watched::cache().name().to_owned());
        move |event: &observer::AnyEvent| {
            if event.cache() == name {
                told.lock()
                    .unwrap()
                    .push((event.cause(), *event.key_as::<u64>().unwrap()));
            }
        }
    };
    let _subscription = watched::cache().observe(tell(&outside));
    let _of_all = observer::observe(tell_of_all(&all_outside));
    watched(1, 1).await;
    isolated(async {
        watched::cache().add_observer(tell(&inside));
        observer::add_observer(tell_of_all(&all_inside));
        watched(2, 2).await;
        watched::invalidate(2).await;
    })
    .await;
    watched(3, 3).await;
    let told = |told: &Told| told.lock().unwrap().clone();
    assert_eq!(told(&outside), [(Cause::Inserted, 1), (Cause::Inserted, 3)]);
    assert_eq!(told(&all_outside), told(&outside));
    let (cause, key) = told(&inside)[1];
    assert_eq!(told(&inside)[0], (Cause::Inserted, 2));
    assert!(matches!(cause, Cause::Invalidated(_)) && key == 2);
    assert_eq!(told(&all_inside), told(&inside));
}

/// The registry lists what there is once, and what it hands out is of where it is used.
#[tokio::test]
async fn the_registry_knows_a_cache_once() {
    let cache = Cache::<u64, u64>::builder().name("known once").build();
    cache.insert(1, 1).await;
    let find = || registry::get("known once").unwrap();
    let outside = find();
    isolated(async {
        assert_eq!((outside.len(), find().len()), (0, 0));
        cache.insert(1, 1).await;
        cache.insert(2, 2).await;
        let names = registry::caches()
            .iter()
            .filter(|it| it.name().starts_with("known once"))
            .count();
        assert_eq!((names, outside.len(), find().stats().insertions), (1, 2, 2));
        find().clear().await;
        assert!(cache.is_empty());
        cache.insert(3, 3).await;
        registry::clear_all().await;
        assert!(cache.is_empty());
    })
    .await;
    assert_eq!(
        (outside.len(), outside.stats().insertions, cache.get(&1)),
        (1, 1, Some(1))
    );
    assert_eq!(registry::get("known once#2").map(|it| it.name().to_owned()), None);
}

number!(nested);

#[tokio::test]
async fn isolation_within_isolation_begins_empty_again() {
    nested(1, 1).await;
    isolated(async {
        nested(1, 2).await;
        isolated(async {
            assert_eq!(nested(1, 3).await, 3);
            isolated(nested::clear()).await;
            assert_eq!(nested(1, 0).await, 3);
        })
        .await;
        assert_eq!(nested(1, 0).await, 2);
        // The inner one of the two counts.
        disabled(async {
            assert_eq!((nested::peek(1), nested(1, 4).await), (None, 4));
            nested::invalidate(1).await;
            isolated(async {
                nested(1, 5).await;
                assert_eq!(nested(1, 0).await, 5);
            })
            .await;
        })
        .await;
        assert_eq!(nested(1, 6).await, 6);
    })
    .await;
    assert_eq!(nested(1, 0).await, 1);
}

/// A cache that the test makes goes wherever the test hands it.
#[tokio::test]
async fn what_is_made_inside_is_an_ordinary_cache() {
    let told = Arc::new(AtomicU64::new(0));
    let cache = isolated(async {
        let counter = Arc::clone(&told);
        let cache = Cache::<u64, u64>::builder()
            .name("made inside")
            .tags(|id| [format!("inside {id}")])
            .build();
        let name = cache.name().to_owned();
        observer::add_observer(move |event| {
            counter.fetch_add(u64::from(event.cache() == name), Ordering::SeqCst);
        });
        let other = cache.clone();
        tokio::spawn(async move { other.insert(1, 1).await }).await.unwrap();
        assert_eq!((cache.get(&1), told.load(Ordering::SeqCst)), (Some(1), 1));
        // It hears of tags on both sides.
        assert_eq!(invalidate_tag("inside 1").await, 1);
        for id in 1..4 {
            cache.get_or_load(id, || async move { id }).await;
        }
        assert_eq!(tokio::spawn(invalidate_tag("inside 1")).await.unwrap(), 1);
        isolated(async { assert!(cache.is_empty()) }).await;
        assert!(registry::get("made inside").is_some());
        cache
    })
    .await;
    assert_eq!((cache.get(&2), invalidate_tag("inside 2").await), (Some(2), 1));
    isolated(async { assert!(cache.is_empty()) }).await;
    assert_eq!(cache.get(&3), Some(3));
    // The observer has gone with the test that added it.
    let before = told.load(Ordering::SeqCst);
    cache.insert(4, 4).await;
    assert_eq!((told.load(Ordering::SeqCst), Arc::strong_count(&told)), (before, 1));
}

number!(first_called_inside);

/// Where a function is first called, and its cache made, must not matter.
#[tokio::test]
async fn the_cache_of_a_function_that_is_first_called_inside_is_isolated() {
    isolated(first_called_inside(1, 1)).await;
    assert_eq!(first_called_inside(1, 2).await, 2);
    isolated(async { assert_eq!(first_called_inside(1, 3).await, 3) }).await;
}

/// Values, observers, loads that were dropped half way, and what a spawned task has kept once it has gone.
#[tokio::test]
async fn nothing_is_left_when_it_is_over() {
    let cache = Cache::<u64, Arc<u64>>::builder()
        .ttl(MINUTE)
        .tags(|id| [format!("left {id}")])
        .build();
    let mut kept: Vec<Weak<u64>> = Vec::new();
    let mut value = || {
        let value = Arc::new(0);
        kept.push(Arc::downgrade(&value));
        value
    };
    let (observed, task, captured) = (value(), value(), value());
    isolated(async {
        for id in 0..100 {
            cache.insert(id, value()).await;
        }
        cache.add_observer(move |_| drop(Arc::clone(&observed)));
        observer::add_observer(move |_| drop(Arc::clone(&captured)));
        let loading = cache.get_or_load(1_000, pending);
        assert!(loading.now_or_never().is_none());
        let other = cache.clone();
        let scope = testing::current();
        let spawned = tokio::spawn(scope.scope(async move { other.insert(1_001, task).await }));
        soon(spawned).await.unwrap();
        assert_eq!(cache.len(), 101);
    })
    .await;
    // The thread that looks after what expires may have a hand on the cache just now.
    wait_until(|| kept.iter().all(|value| value.strong_count() == 0));
    assert!(cache.is_empty());

    // The same if it is dropped before its end.
    let inside = Arc::new(0);
    let left = Arc::downgrade(&inside);
    let mut test = Box::pin(isolated(async {
        cache.insert(1, inside).await;
        pending::<()>().await;
    }));
    assert!((&mut test).now_or_never().is_none());
    assert_eq!(left.strong_count(), 1);
    drop(test);
    wait_until(|| left.strong_count() == 0);
}

#[cached_lru(tags("crowd {id}"), skip(value))]
async fn crowded(id: u64, value: u64) -> u64 {
    tokio::task::yield_now().await;
    let _ = id;
    value
}

/// On several threads, and each of them moves from one to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_isolated_tasks_at_once_keep_to_themselves() {
    crowded(0, 1_000).await;
    let tasks = (1..=16_u64).map(|task| {
        tokio::spawn(isolated(async move {
            for round in 0..50 {
                for id in 0..4 {
                    assert_eq!(crowded(id, task).await, task);
                }
                let (one, other) = futures::join!(crowded(9, task), crowded(9, task));
                assert_eq!((one, other), (task, task));
                assert_eq!(invalidate_tag("crowd 2").await, 1);
                assert!(crowded::invalidate(3).await);
                let stats = crowded::stats();
                assert_eq!((stats.loads, stats.len), (5 + 2 * round, 3));
            }
        }))
    });
    for task in soon(futures::future::join_all(tasks)).await {
        task.unwrap();
    }
    assert_eq!((crowded(0, 0).await, crowded::cache().len()), (1_000, 1));
}

number!(inner);

/// What the library runs for a caller in the background is where the caller is.
#[tokio::test(start_paused = true)]
async fn loads_in_the_background_are_inside() {
    let cache = Cache::<u64, u64>::builder()
        .ttl(MINUTE)
        .stale_while_revalidate(MINUTE)
        .build();
    isolated(async {
        // A task of its own, which goes on in the caches of its caller.
        assert_eq!(cache.get_or_spawn(1, || inner(1, 1)).await, 1);
        assert_eq!((cache.peek(&1), inner::peek(1)), (Some(1), Some(1)));
        tokio::time::advance(MINUTE).await;
        assert_eq!(cache.get_or_spawn(1, || inner(2, 2)).await, 1);
        until(|| cache.peek(&1) == Some(2)).await;
        assert_eq!(inner::peek(2), Some(2));
    })
    .await;
    assert_eq!((cache.peek(&1), inner::peek(1), inner::peek(2)), (None, None, None));
}
