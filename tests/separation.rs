//! P6: two functions, two keys, two instances never share an entry, whatever bytes their parts hold.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

use std::collections::HashMap;

use cache_core::{Cache, cached_in, cached_lru, cached_ttl, invalidates};
use proptest::prelude::*;

#[cached_lru(unbounded)]
async fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[cached_lru(unbounded)]
async fn bytes(a: &[u8], b: Vec<u8>, c: Option<&str>) -> String {
    format!("{a:?}{b:?}{c:?}")
}

#[tokio::test]
async fn parts_do_not_run_into_each_other() {
    let hostile = [
        "",
        "a",
        "b",
        "ab",
        "bc",
        "abc",
        "\0",
        "a\0",
        "\0b",
        "\u{1e}",
        "\u{1f}",
        "a\u{1f}b",
        "(",
        ",",
        "a,b",
        "\"",
        "\\",
        "ä",
        "a\u{308}",
        "\u{feff}",
        "None",
        "Some(\"a\")",
    ];
    for a in hostile {
        for b in hostile {
            assert_eq!(pair(a, b).await, (a.to_owned(), b.to_owned()));
        }
    }
    for a in hostile {
        for b in hostile {
            assert_eq!(pair(a, b).await, (a.to_owned(), b.to_owned()));
            assert_eq!(pair::peek(a, b), Some((a.to_owned(), b.to_owned())));
        }
    }
    let calls = u64::try_from(hostile.len() * hostile.len()).unwrap();
    let stats = pair::stats();
    assert_eq!((stats.loads, stats.hits), (calls, calls));
}

#[tokio::test]
async fn nothing_and_something_empty_are_two_keys() {
    let answers = [
        bytes(b"", vec![], None).await,
        bytes(b"", vec![], Some("")).await,
        bytes(b"\0", vec![], None).await,
        bytes(b"", vec![0], None).await,
        bytes(b"a", b"b".to_vec(), None).await,
        bytes(b"ab", vec![], None).await,
    ];
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answers.iter().position(|other| other == answer), Some(at));
    }
    assert_eq!(bytes::stats().loads, 6);
}

mod one {
    #[cache_core::cached_lru]
    pub async fn same(id: u64) -> u64 {
        id
    }
}

mod two {
    #[cache_core::cached_lru]
    pub async fn same(id: u64) -> u64 {
        id * 2
    }
}

#[invalidates(one::same(id))]
async fn change_one(id: u64) {}

#[tokio::test]
async fn functions_of_one_name_have_caches_of_their_own() {
    assert_eq!((one::same(3).await, two::same(3).await), (3, 6));
    assert_eq!((one::same(3).await, two::same(3).await), (3, 6));
    change_one(3).await;
    assert_eq!((one::same::peek(3), two::same::peek(3)), (None, Some(6)));
}

struct Tenant {
    name: &'static str,
    own: Cache<u64, String>,
}

impl Tenant {
    #[cached_in(self.own)]
    async fn page(&self, id: u64) -> String {
        format!("{}{id}", self.name)
    }

    #[cached_ttl(key = (self.name, id))]
    async fn shared_page(&self, id: u64) -> String {
        format!("{}{id}", self.name)
    }
}

#[tokio::test]
async fn instances_are_kept_apart() {
    let tenant = |name| Tenant {
        name,
        own: Cache::builder().build(),
    };
    let (a, b) = (tenant("a"), tenant("b"));
    for _ in 0..2 {
        assert_eq!((a.page(1).await, b.page(1).await), ("a1".into(), "b1".into()));
        assert_eq!(
            (a.shared_page(1).await, b.shared_page(1).await),
            ("a1".into(), "b1".into())
        );
    }
    assert_eq!((a.own.len(), b.own.len(), Tenant::shared_page_cache().len()), (1, 1, 2));
}

/// A hash that always collides: equality alone has to keep keys apart.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Collides(u64);

impl std::hash::Hash for Collides {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u8(0);
    }
}

#[cached_lru(max_size = 1_000)]
async fn colliding(key: Collides) -> u64 {
    key.0
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_whose_hashes_collide_are_kept_apart() {
    let callers: Vec<_> = (0..500).map(|id| tokio::spawn(colliding(Collides(id % 250)))).collect();
    for (id, caller) in (0..).zip(callers) {
        assert_eq!(caller.await.unwrap(), id % 250);
    }
    assert!(colliding::invalidate(Collides(3)).await);
    for id in 0..250 {
        assert_eq!(colliding::peek(Collides(id)), (id != 3).then_some(id));
    }
}

proptest! {
    #[test]
    fn any_two_strings_find_what_was_stored_for_them(keys in prop::collection::vec((".{0,6}", ".{0,6}"), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let cache = Cache::<(String, String), usize>::builder().unbounded().build();
        let mut model = HashMap::new();
        for (at, key) in keys.iter().enumerate() {
            runtime.block_on(cache.insert(key.clone(), at));
            model.insert(key.clone(), at);
        }
        for (key, at) in &model {
            prop_assert_eq!(cache.get(key), Some(*at));
            // And not under the same bytes, cut elsewhere.
            let joined = format!("{}{}", key.0, key.1);
            for cut in joined.char_indices().map(|(cut, _)| cut).chain([joined.len()]) {
                let other = (joined[..cut].to_owned(), joined[cut..].to_owned());
                prop_assert_eq!(cache.get(&other), model.get(&other).copied());
            }
        }
    }
}
