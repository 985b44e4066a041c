//! P2: a mutation evicts first, and what it changes stays evicted: while it runs nothing is kept, and its end evicts
//! again, however it ends.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{Cache, cached_in, invalidates};
use futures::FutureExt as _;
use support::{Fate, Source, soon};

struct Db {
    users: Cache<u64, u64>,
    reads: Source,
    writes: Source,
    /// Whether the entry was there when the body began.
    seen_by_body: AtomicBool,
}

impl Db {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            users: Cache::builder().name("users").build(),
            reads: Source::new(1),
            writes: Source::new(0),
            seen_by_body: AtomicBool::new(false),
        })
    }

    #[cached_in(self.users)]
    async fn user(&self, id: u64) -> u64 {
        let _ = id;
        self.reads.read().await
    }

    #[invalidates(self.users(id))]
    async fn rename(&self, id: u64) -> Result<u64, &'static str> {
        self.seen_by_body
            .store(self.users.peek(&id).is_some(), Ordering::SeqCst);
        self.writes.try_read().await?;
        self.reads.set(2);
        if id == 0 {
            return Err("early return");
        }
        Ok(id)
    }

    #[invalidates(self.users(..))]
    async fn import(&self) -> Result<u64, &'static str> {
        self.writes.try_read().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entry_is_gone_before_the_body_is_polled() {
    let db = Db::new();
    db.users.insert(7, 1).await;
    let mutation = tokio::spawn({
        let db = Arc::clone(&db);
        async move { db.rename(7).await }
    });
    let write = db.writes.started().await;
    assert!(!db.seen_by_body.load(Ordering::SeqCst));
    write.go_on();
    assert_eq!(soon(mutation).await.unwrap(), Ok(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_is_never_polled_evicts_nothing() {
    let db = Db::new();
    db.users.insert(7, 1).await;
    drop(db.rename(7));
    assert_eq!(db.users.peek(&7), Some(1));
}

/// How a mutation can end.
#[derive(Clone, Copy, Debug)]
enum End {
    Returns,
    Fails,
    Panics,
    IsDropped,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_loaded_during_a_mutation_outlives_it_however_it_ends() {
    for end in [End::Returns, End::Fails, End::Panics, End::IsDropped] {
        for all in [false, true] {
            let db = Db::new();
            db.users.insert(7, 1).await;
            let mutation = tokio::spawn({
                let db = Arc::clone(&db);
                async move { if all { db.import().await } else { db.rename(7).await } }
            });
            let write = db.writes.started().await;
            assert_eq!(db.users.peek(&7), None, "evicted first");

            // A load that ends while the mutation runs is not kept.
            let load = |db: Arc<Db>| tokio::spawn(async move { db.user(7).await });
            let during = load(Arc::clone(&db));
            db.reads.started().await.go_on();
            soon(during).await.unwrap();
            assert_eq!(db.users.peek(&7), None, "nothing is kept meanwhile");
            // Nor is what is put in by hand: the end would have to evict it.
            db.users.insert(7, 5).await;
            assert_eq!(db.users.peek(&7), None);

            // A load that is under way when the mutation ends is not kept either.
            let across = load(Arc::clone(&db));
            let read = db.reads.started().await;
            match end {
                End::Returns => write.go_on(),
                End::Fails => write.end(Fate::Fail),
                End::Panics => write.end(Fate::Panic),
                End::IsDropped => mutation.abort(),
            }
            let ended = soon(mutation).await;
            match end {
                End::Returns => assert!(ended.unwrap().is_ok()),
                End::Fails => assert!(ended.unwrap().is_err()),
                End::Panics => assert!(ended.unwrap_err().is_panic()),
                End::IsDropped => assert!(ended.unwrap_err().is_cancelled()),
            }
            read.go_on();
            soon(across).await.unwrap();
            assert_eq!(db.users.peek(&7), None, "{end:?}, all: {all}");

            // And afterwards all is as usual.
            let after = load(Arc::clone(&db));
            db.reads.started().await.go_on();
            let value = soon(after).await.unwrap();
            assert_eq!(db.users.peek(&7), Some(value));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_return_and_a_question_mark_end_a_mutation() {
    let db = Db::new();
    db.users.insert(0, 1).await;
    let mutation = tokio::spawn({
        let db = Arc::clone(&db);
        async move { db.rename(0).await }
    });
    db.writes.started().await.go_on();
    assert_eq!(soon(mutation).await.unwrap(), Err("early return"));
    assert_eq!(db.users.peek(&0), None);
    db.users.insert(0, 1).await;
    assert_eq!(db.users.peek(&0), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_mutations_of_one_key_keep_it_out_until_the_last_ends() {
    let cache = Cache::<u64, u64>::builder().build();
    let first = cache.begin_mutation(&1).await;
    let second = cache.begin_mutation(&1).await;
    let all = cache.begin_mutation_all().await;
    for guard in [first, second, all] {
        cache.insert(1, 1).await;
        cache.get_or_load(1, || async { 1 }).await;
        assert_eq!(cache.get(&1), None);
        guard.finish().await;
    }
    cache.insert(1, 1).await;
    assert_eq!(cache.get(&1), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_of_one_key_leaves_the_others_alone() {
    let cache = Cache::<u64, u64>::builder().build();
    cache.insert(2, 2).await;
    let guard = cache.begin_mutation(&1).await;
    assert_eq!(cache.get(&2), Some(2));
    cache.insert(3, 3).await;
    assert_eq!(cache.get(&3), Some(3));
    assert_eq!(cache.get_or_load(4, || async { 4 }).await, 4);
    assert_eq!(cache.get(&4), Some(4));
    drop(guard);
}

static FIRST: std::sync::LazyLock<Cache<u64, u64>> = std::sync::LazyLock::new(|| Cache::builder().build());
static SECOND: std::sync::LazyLock<Cache<String, u64>> = std::sync::LazyLock::new(|| Cache::builder().build());

#[invalidates(FIRST(id))]
#[invalidates(SECOND(name))]
async fn both(id: u64, name: String) -> String {
    assert_eq!((FIRST.peek(&id), SECOND.peek(&name)), (None, None));
    name
}

#[tokio::test]
async fn several_attributes_on_one_function_compose() {
    FIRST.insert(1, 1).await;
    SECOND.insert("a".to_owned(), 1).await;
    // The argument is still the body's to move.
    assert_eq!(both(1, "a".to_owned()).await, "a");
    assert_eq!((FIRST.len(), SECOND.len()), (0, 0));
}

#[tokio::test]
async fn a_mutation_may_call_what_it_invalidates() {
    #[cache_core::cached_lru]
    async fn total(id: u64) -> u64 {
        id
    }

    #[invalidates(total(id))]
    async fn add(id: u64) -> u64 {
        total(id).await + total(id).await
    }

    assert_eq!(add(3).now_or_never(), Some(6));
    assert_eq!(total::peek(3), None);
    assert_eq!(total::stats().loads, 2);
}
