//! What a hit does not do: allocate, clone a key, clone the value more than once.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::ptr_arg,
    clippy::trivially_copy_pass_by_ref,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::{Cache, Clock, cached_in, cached_lru, cached_ttl};
use futures::FutureExt as _;

#[cached_lru]
async fn by_number(id: u64) -> u64 {
    id
}

#[cached_lru]
async fn by_text(name: &str) -> u64 {
    name.len() as u64
}

#[cached_lru]
async fn by_both(id: u64, name: &str) -> Result<u64, String> {
    Ok(id + name.len() as u64)
}

#[cached_lru]
async fn by_three(name: &str, id: u64, region: &str) -> Option<u64> {
    Some(id + (name.len() + region.len()) as u64)
}

#[cached_ttl(tti = "1h")]
async fn with_an_end(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

#[cached_lru(max_size = 2)]
async fn in_a_small_cache(name: &str) -> u64 {
    name.len() as u64
}

#[cached_lru(unbounded)]
async fn unbounded(name: &str) -> u64 {
    name.len() as u64
}

#[cached_lru(max_weight = 1_000, weigher = weight)]
async fn by_weight(name: &str) -> u64 {
    name.len() as u64
}

fn weight(_: &String, _: &u64) -> u32 {
    1
}

struct Users {
    cache: Cache<(u64, String), u64>,
}

impl Users {
    #[cached_in(self.cache)]
    async fn user(&self, id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }
}

/// Runs `hit` once for whatever is made at the first call, and a thousand times more, allocations counted.
fn allocates_nothing(what: &str, mut hit: impl FnMut()) {
    hit();
    let counted = allocation_counter::measure(|| (0..1_000).for_each(|_| hit()));
    assert_eq!(counted.count_total, 0, "{what}");
}

#[test]
fn a_hit_allocates_nothing() {
    let users = Users {
        cache: Cache::builder().build(),
    };
    let manual = Cache::<String, u64>::builder()
        .ttl(Duration::from_secs(1))
        .clock(Clock::manual())
        .build();
    allocates_nothing("u64", || assert_eq!(by_number(7).now_or_never(), Some(7)));
    allocates_nothing("&str", || assert_eq!(by_text("seven").now_or_never(), Some(5)));
    allocates_nothing("(u64, &str)", || {
        assert_eq!(by_both(7, "seven").now_or_never(), Some(Ok(12)));
    });
    allocates_nothing("(&str, u64, &str)", || {
        assert_eq!(by_three("seven", 7, "eu").now_or_never(), Some(Some(14)));
    });
    allocates_nothing("ttl and tti", || {
        assert_eq!(with_an_end(7, "seven").now_or_never(), Some(12));
    });
    allocates_nothing("a small cache", || {
        assert_eq!(in_a_small_cache("one").now_or_never(), Some(3));
        assert_eq!(in_a_small_cache("three").now_or_never(), Some(5));
    });
    allocates_nothing("unbounded", || assert_eq!(unbounded("seven").now_or_never(), Some(5)));
    allocates_nothing("weight", || assert_eq!(by_weight("seven").now_or_never(), Some(5)));
    allocates_nothing("a method", || {
        assert_eq!(users.user(7, "seven").now_or_never(), Some(12));
    });
    let key = (7, "seven".to_owned());
    allocates_nothing("get", || assert_eq!(users.cache.get(&key), Some(12)));
    manual.insert("seven".to_owned(), 7).now_or_never().unwrap();
    allocates_nothing("get by &str", || assert_eq!(manual.get("seven"), Some(7)));
    allocates_nothing("peek", || assert_eq!(by_both::peek(7, "seven"), Some(12)));
    // The test can tell: a miss does allocate.
    let miss = allocation_counter::measure(|| assert!(by_number(8).now_or_never().is_some()));
    assert!(miss.count_total > 0);
}

/// A key that counts how often it is cloned.
struct Key(u64, Arc<AtomicUsize>);

impl Clone for Key {
    fn clone(&self) -> Self {
        self.1.fetch_add(1, Ordering::SeqCst);
        Self(self.0, Arc::clone(&self.1))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// A value that does the same.
struct Value(Arc<AtomicUsize>);

impl Clone for Value {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

#[cached_lru(skip(value))]
async fn counted(key: &Key, also: (u64, &'static str), value: &Value) -> Result<Value, ()> {
    let _ = (key, also);
    Ok(value.clone())
}

#[test]
fn a_hit_clones_no_key_and_the_value_once() {
    let (keys, values) = (Arc::default(), Arc::default());
    let (key, value) = (Key(7, Arc::clone(&keys)), Value(Arc::clone(&values)));
    assert!(counted(&key, (1, "one"), &value).now_or_never().is_some());
    let before = (keys.load(Ordering::SeqCst), values.load(Ordering::SeqCst));
    for _ in 0..10 {
        assert!(counted(&key, (1, "one"), &value).now_or_never().is_some());
    }
    let after = (keys.load(Ordering::SeqCst), values.load(Ordering::SeqCst));
    assert_eq!(after, (before.0, before.1 + 10));
    assert_eq!(counted::stats().loads, 1);
}
