//! The registry: every cache that is alive, by a name of its own.

#![allow(clippy::unwrap_used, clippy::unused_async, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cache_core::registry::{self, Capacity, Kind};
use cache_core::{__private as private, Cache, Policy, cached_lru};

fn named(name: &str) -> Cache<u64, u64> {
    Cache::builder().name(name.to_owned()).build()
}

/// Held to write by who clears all caches, and to read by who keeps something.
static CLEARING: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// The names that are live and begin like this.
fn names(start: &str) -> Vec<String> {
    let all = registry::caches().into_iter().map(|it| it.name().to_owned());
    all.filter(|name| name.starts_with(start)).collect()
}

#[tokio::test]
async fn a_cache_is_known_while_it_lives_and_not_longer() {
    let cache = named("known");
    let clone = cache.clone();
    assert_eq!(names("known"), ["known"]);
    drop(cache);
    assert_eq!(registry::get("known").unwrap().name(), "known");
    drop(clone);
    assert!(registry::get("known").is_none() && names("known").is_empty());
}

#[tokio::test]
async fn a_handle_keeps_the_cache_alive() {
    let _kept = CLEARING.read().await;
    let cache = named("held");
    cache.insert(1, 1).await;
    let any = registry::get("held").unwrap();
    drop(cache);
    assert_eq!((any.len(), any.clone().name()), (1, "held"));
    drop(any);
    assert!(registry::get("held").is_none());
}

#[tokio::test]
async fn what_a_handle_tells() {
    let _kept = CLEARING.read().await;
    let built = Cache::<u64, String>::builder()
        .name("told")
        .max_weight(10, |_, text| u32::try_from(text.len()).unwrap())
        .policy(Policy::TinyLfu)
        .build();
    let any = registry::get("told").unwrap();
    assert_eq!(
        (any.kind(), any.policy(), any.capacity()),
        (Kind::Builder, Policy::TinyLfu, Capacity::Weight(10))
    );
    assert!(any.tags().is_empty() && any.is_empty());
    built.insert(1, "one".to_owned()).await;
    assert_eq!(built.get(&1).as_deref(), Some("one"));
    assert_eq!(any.stats(), built.stats());
    assert_eq!((any.len(), any.is_empty(), any.stats().hits), (1, false, 1));
    any.clear().await;
    assert_eq!((built.get(&1), built.stats().invalidations), (None, 1));
    let shown = format!("{any:?}");
    assert!(shown.contains("told") && shown.contains("Weight(10)"), "{shown}");

    let capacities = [
        Capacity::Entries(1),
        Capacity::Entries(2),
        Capacity::Weight(3),
        Capacity::Unbounded,
    ];
    assert_eq!(
        capacities.map(|it| it.to_string()),
        ["1 entry", "2 entries", "weight 3", "unbounded"]
    );
    let kinds = [Kind::CachedLru, Kind::CachedTtl, Kind::AgentCached, Kind::Builder];
    assert_eq!(
        kinds.map(|it| it.to_string()),
        ["cached_lru", "cached_ttl", "agent_cached", "builder"]
    );
}

#[cached_lru(max_size = 7, name = "annotated")]
async fn annotated(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_function_says_what_made_its_cache() {
    annotated(1).await;
    let any = registry::get("annotated").unwrap();
    assert_eq!((any.kind(), any.capacity()), (Kind::CachedLru, Capacity::Entries(7)));
    let ttl = private::Settings::unbounded("settings")
        .kind(Kind::CachedTtl)
        .build::<u64, u64>();
    assert_eq!(registry::get(ttl.name()).unwrap().kind(), Kind::CachedTtl);
    let agent = private::of_kind(Cache::<u64, u64>::builder(), Kind::AgentCached)
        .name("agent")
        .build();
    assert_eq!(registry::get(agent.name()).unwrap().kind(), Kind::AgentCached);
}

#[tokio::test]
async fn names_are_unique_and_numbers_are_used_again() {
    let mut caches: Vec<_> = (0..4).map(|_| named("same")).collect();
    let told: Vec<_> = caches.iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(told, ["same", "same#2", "same#3", "same#4"]);
    drop(caches.remove(1));
    assert_eq!(named("same").name(), "same#2");
    drop(caches.remove(0));
    let (a, b, c) = (named("same"), named("same"), named("same"));
    assert_eq!((a.name(), b.name(), c.name()), ("same", "same#2", "same#5"));
    // Written by hand, it is a name like any other.
    let by_hand = named("same#6");
    let next = named("same");
    assert_eq!((by_hand.name(), next.name()), ("same#6", "same#7"));
    assert_eq!(named("same#2").name(), "same#2#2");
}

#[tokio::test]
async fn a_crowd_of_one_name_comes_and_goes() {
    // A cache is not a small thing, so not as many as names could be.
    let crowd: Vec<_> = (0..2_000).map(|_| named("crowd")).collect();
    assert_eq!(crowd.last().unwrap().name(), "crowd#2000");
    assert_eq!(names("crowd").len(), 2_000);
    drop(crowd);
    assert!(names("crowd").is_empty());
    for _ in 0..2_000 {
        assert_eq!(named("crowd").name(), "crowd");
    }
}

#[test]
fn threads_that_make_caches_of_one_name_get_different_ones() {
    let made: Vec<Cache<u64, u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..200)
                        .map(|turn| {
                            if turn % 3 == 0 {
                                drop(named("raced"));
                            }
                            named("raced")
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    let mut names: Vec<_> = made.iter().map(Cache::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 8 * 200);
    for cache in &made {
        assert_eq!(registry::get(cache.name()).unwrap().name(), cache.name());
    }
}

/// Where it matters: a value that is loading when all caches are cleared is not kept.
#[tokio::test]
async fn clearing_all_has_the_force_of_a_clear() {
    let _clearing = CLEARING.write().await;
    let (a, b) = (named("all a"), Cache::<String, String>::builder().name("all b").build());
    a.insert(1, 1).await;
    b.insert("two".to_owned(), "two".to_owned()).await;
    let loaded = a.get_or_load(3, || async {
        registry::clear_all().await;
        3
    });
    assert_eq!(loaded.await, 3);
    assert_eq!((a.get(&1), a.get(&3), b.get("two")), (None, None, None));
}

/// A value whose drop asks the registry, which must not be locked then.
struct Asks(&'static str);

impl Drop for Asks {
    fn drop(&mut self) {
        let caches = registry::caches();
        assert!(caches.iter().all(|it| it.name() != self.0));
    }
}

#[tokio::test]
async fn values_that_go_with_their_cache_may_ask_the_registry() {
    let cache = Cache::<u64, Arc<Asks>>::builder().name("asks").build();
    cache.insert(1, Arc::new(Asks("asks"))).await;
    let any = registry::get("asks").unwrap();
    drop(cache);
    // The last handle.
    drop(any);
    assert!(registry::get("asks").is_none());
}

/// What was logged in this process, as level and text.
fn logged() -> &'static Mutex<Vec<(log::Level, String)>> {
    struct Kept;

    impl log::Log for Kept {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }

        fn log(&self, record: &log::Record) {
            // A logger may ask the registry.
            registry::caches();
            logged()
                .lock()
                .unwrap()
                .push((record.level(), record.args().to_string()));
        }

        fn flush(&self) {}
    }

    static LOGGED: OnceLock<Mutex<Vec<(log::Level, String)>>> = OnceLock::new();
    static KEPT: Kept = Kept;
    LOGGED.get_or_init(|| {
        log::set_logger(&KEPT).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        Mutex::default()
    })
}

#[tokio::test]
async fn two_functions_of_one_name_are_warned_of_once() {
    let warnings = || {
        let logged = logged().lock().unwrap();
        let of_these = logged.iter().filter(|(_, text)| text.contains("twins"));
        of_these.cloned().collect::<Vec<_>>()
    };
    warnings();
    let function = |kind| private::Settings::unbounded("twins").kind(kind).build::<u64, String>();
    let by_hand = named("twins");
    let first = function(Kind::CachedLru);
    // Nobody wonders which of them a cache is that was made by hand.
    let also_by_hand = named("twins");
    assert_eq!(warnings(), []);
    let second = function(Kind::CachedTtl);
    let told = warnings();
    assert_eq!(told.len(), 1, "{told:?}");
    let (level, text) = &told[0];
    assert_eq!(*level, log::Level::Warn);
    for part in ["`twins`", "`twins#2`", "`twins#4`", "cached_ttl", "String", "name = "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    first.insert(1, "one".to_owned()).await;
    assert_eq!(warnings().len(), 1);
    drop(first);
    drop(second);
    let _alone = function(Kind::CachedLru);
    assert_eq!(warnings().len(), 1, "the others are gone");
    drop((by_hand, also_by_hand));
}

#[tokio::test]
async fn what_is_not_given_a_name_is_numbered_as_well() {
    let caches = [(); 3].map(|()| Cache::<u64, u64>::builder().ttl(Duration::from_secs(1)).build());
    let [a, b, c] = caches.each_ref().map(Cache::name);
    assert!(a.starts_with("unnamed") && b.starts_with("unnamed#") && c.starts_with("unnamed#"));
    assert!(a != b && b != c && a != c);
}
