//! `#[cached_batch]`: from a function that loads many keys at once to one for one key.

#![allow(
    clippy::unwrap_used,
    clippy::ptr_arg,
    clippy::trivially_copy_pass_by_ref,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "as users write it"
)]

mod support;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{LoadTimeout, cached_batch, cached_lru, invalidate_tag, invalidates, registry};
use futures::FutureExt as _;
use support::soon;

#[derive(Clone, Debug, PartialEq)]
struct User {
    id: u64,
    name: String,
}

#[derive(Clone, Debug, PartialEq)]
enum DbError {
    Down,
    Slow,
}

impl From<LoadTimeout> for DbError {
    fn from(_: LoadTimeout) -> Self {
        Self::Slow
    }
}

/// A table, and the lists of keys that were asked for.
#[derive(Clone, Default)]
struct Db {
    calls: Arc<Mutex<Vec<Vec<u64>>>>,
    version: Arc<AtomicU64>,
}

impl Db {
    fn read(&self, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
        self.calls.lock().unwrap().push(ids.to_vec());
        if ids.contains(&404) {
            return Err(DbError::Down);
        }
        let version = self.version.load(Ordering::SeqCst);
        let found = ids.iter().filter(|id| **id < 100);
        Ok(found
            .map(|id| {
                let name = format!("user {id}.{version}");
                (*id, User { id: *id, name })
            })
            .collect())
    }

    fn calls(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

mod issue {
    use super::*;

    #[cached_batch(window = "5ms", max_batch = 100, skip(db))]
    pub(super) async fn load_users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
        db.read(ids)
    }

    #[invalidates(load_users(id))]
    pub(super) async fn rename(db: &Db, id: u64) {
        let _ = id;
        db.version.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn many_keys_go_into_one_call() {
    use issue::load_users;
    let db = Db::default();
    let one: Result<Option<User>, DbError> = load_users(&db, 1).await;
    assert_eq!(one.unwrap().unwrap().name, "user 1.0");
    let (a, b, c) = futures::join!(load_users(&db, 1), load_users(&db, 2), load_users(&db, 103));
    assert_eq!((a.unwrap().unwrap().id, b.unwrap().unwrap().id, c), (1, 2, Ok(None)));
    assert_eq!(db.calls(), [vec![1], vec![2, 103]]);

    let found: HashMap<u64, User> = load_users::many(&db, [1, 2, 3, 103]).await.unwrap();
    assert_eq!((found.len(), &*found[&3].name), (3, "user 3.0"));
    let owned = vec![1_u64, 4];
    assert_eq!(load_users::many(&db, &owned).await.unwrap().len(), 2);
    assert_eq!(load_users::many(&db, owned).await.unwrap().len(), 2);
    assert_eq!(db.calls().len(), 2);

    let body: HashMap<u64, User> = load_users::uncached(&db, &[1, 2]).await.unwrap();
    assert_eq!(body.len(), 2);
    db.calls();

    // The handle, as others have it.
    assert_eq!(load_users::peek(1).unwrap().id, 1);
    issue::rename(&db, 1).await;
    assert_eq!(load_users::peek(1), None);
    assert_eq!(load_users(&db, 1).await.unwrap().unwrap().name, "user 1.1");
    assert!(load_users::invalidate(2).await);
    load_users::insert(
        2,
        User {
            id: 2,
            name: "Ada".to_owned(),
        },
    )
    .await;
    assert_eq!(load_users(&db, 2).await.unwrap().unwrap().name, "Ada");
    assert_eq!(load_users::refresh(&db, 2).await.unwrap().unwrap().name, "user 2.1");
    assert_eq!(load_users::cache().get(&2).unwrap().name, "user 2.1");
    assert!(load_users::stats().batches > 0);
    let named = registry::get(load_users::cache().name()).unwrap();
    assert_eq!(named.kind(), registry::Kind::CachedBatch);
    assert_eq!(load_users(&db, 404).await, Err(DbError::Down));
    load_users::clear().await;
    assert_eq!((load_users::cache().len(), load_users::stats().batches), (0, 0));
}

/// By value, behind a reference, of texts, of tuples, in and out.
mod shapes {
    use super::*;

    pub(super) type Answer<T> = Result<T, Arc<str>>;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(super) struct Id(pub(super) u64);

    #[cached_batch(window = "0ms")]
    pub(super) async fn by_value(ids: Vec<u64>) -> Answer<BTreeMap<u64, u64>> {
        Ok(ids.into_iter().map(|id| (id, id + 1)).collect())
    }

    #[cached_batch(window = Duration::ZERO)]
    pub(super) async fn of_vec(ids: &Vec<Id>) -> Answer<Vec<(Id, u64)>> {
        Ok(ids.iter().map(|id| (id.clone(), id.0)).collect())
    }

    #[cached_batch(window = "0ms")]
    pub(super) async fn of_texts(names: &[String]) -> Result<HashMap<String, usize>, String> {
        Ok(names.iter().map(|name| (name.clone(), name.len())).collect())
    }

    #[cached_batch(window = "0ms")]
    pub(super) async fn of_tuples(ids: &[(u64, String)]) -> Result<Option<((u64, String), bool)>, String> {
        Ok(ids.first().cloned().map(|id| (id, true)))
    }

    #[cached_batch(window = "0ms", skip(keys, this, body))]
    pub(super) async fn odd_names(
        keys: &str,
        mut this: u64,
        batches: &[u64],
        body: Option<&str>,
    ) -> Answer<HashMap<u64, String>> {
        this += 1;
        Ok(batches
            .iter()
            .map(|id| (*id, format!("{keys}{this}{}", body.unwrap_or("-"))))
            .collect())
    }

    /// What the body needs, in all the ways there are.
    #[derive(Clone)]
    pub(super) struct Pool(pub(super) u64);

    #[cached_batch(window = "0ms", skip(pool, lent, maybe, text, count))]
    pub(super) async fn skipping(
        pool: Pool,
        lent: &Pool,
        maybe: Option<&Pool>,
        text: Cow<'_, str>,
        ids: &[u64],
        count: usize,
    ) -> Answer<HashMap<u64, String>> {
        let all = format!("{}{}{}{text}{count}", pool.0, lent.0, maybe.map_or(0, |it| it.0));
        Ok(ids.iter().map(|id| (*id, all.clone())).collect())
    }
}

#[tokio::test]
async fn keys_and_values_may_have_any_shape() {
    use shapes::{Id, Pool, by_value, odd_names, of_texts, of_tuples, of_vec, skipping};
    assert_eq!(by_value(1).await, Ok(Some(2)));
    assert_eq!(by_value::many([1, 2]).await, Ok(HashMap::from([(1, 2), (2, 3)])));
    assert_eq!(by_value::uncached(vec![5]).await, Ok(BTreeMap::from([(5, 6)])));

    assert_eq!(of_vec(Id(3)).await, Ok(Some(3)));
    assert_eq!(of_vec::many(&[Id(3), Id(4)]).await.unwrap().len(), 2);

    assert_eq!(of_texts("seven").await, Ok(Some(5)));
    assert_eq!(of_texts::peek("seven"), Some(5));
    assert_eq!(of_texts::many(["seven", "six"]).await.unwrap()["six"], 3);
    assert_eq!(of_texts::many(vec!["three".to_owned()]).await.unwrap()["three"], 5);
    assert_eq!(of_texts::stats().misses, 3);

    assert_eq!(of_tuples((1, "eu".to_owned())).await, Ok(Some(true)));
    assert_eq!(odd_names("a", 1, 7, None).await.unwrap().unwrap(), "a2-");
    let lent = Pool(2);
    let text = String::from("t");
    let found = skipping(Pool(1), &lent, Some(&Pool(3)), Cow::Borrowed(&text), 1, 9).await;
    assert_eq!(found.unwrap().unwrap(), "123t9");
    let found = skipping::many(Pool(1), &lent, None, Cow::Borrowed(&text), [1, 2], 8).await;
    assert_eq!(found.unwrap()[&2], "120t8");
}

/// What is told to the cache.
mod settings {
    use super::*;

    const MOST: usize = 2;

    fn keep(value: &u64) -> bool {
        value.is_multiple_of(2)
    }

    #[cached_batch(
        window = "1h",
        max_batch = MOST,
        max_size = 1_000,
        name = "batch settings",
        policy = "tiny_lfu",
        cache_if = keep,
        none_ttl = "1h",
        err_ttl = "1h",
        tags("batch-settings", "batch-settings:{ids}"),
        tag_fn = |value| [format!("batch-settings-value:{value}")],
        skip(calls)
    )]
    pub(super) async fn full(calls: &Arc<AtomicU64>, ids: &[u64]) -> Result<Vec<(u64, u64)>, String> {
        calls.fetch_add(1, Ordering::SeqCst);
        if ids.contains(&99) {
            return Err("down".to_owned());
        }
        Ok(ids.iter().filter(|id| **id < 50).map(|id| (*id, *id)).collect())
    }

    #[cached_batch(
        window = "0ms",
        ttl = "60s",
        stale_if_error = "5m",
        soft_timeout = "1s",
        load_timeout = "10s",
        refresh_ahead = 0.5,
        jitter = 0.1
    )]
    pub(super) async fn slow(ids: &[u64]) -> Result<Vec<(u64, u64)>, DbError> {
        if ids.contains(&7) {
            std::future::pending::<()>().await;
        }
        Ok(ids.iter().map(|id| (*id, *id)).collect())
    }
}

#[tokio::test]
async fn settings_reach_the_cache_and_its_batches() {
    use settings::full;
    let calls = Arc::new(AtomicU64::new(0));
    let both = |a, b| {
        let calls = &calls;
        async move { soon(futures::future::join(full(calls, a), full(calls, b))).await }
    };
    assert_eq!(full::cache().name(), "batch settings");
    // With two keys a batch goes, however long the window is.
    assert_eq!(both(2, 3).await, (Ok(Some(2)), Ok(Some(3))));
    assert_eq!((full::peek(2), full::peek(3)), (Some(2), None), "cache_if");
    assert_eq!(both(60, 4).await, (Ok(None), Ok(Some(4))));
    assert_eq!(full(&calls, 60).now_or_never(), Some(Ok(None)), "none_ttl");
    assert_eq!(both(98, 99).await, (Err("down".to_owned()), Err("down".to_owned())));
    assert_eq!(full(&calls, 98).now_or_never(), Some(Err("down".to_owned())), "err_ttl");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!(invalidate_tag("batch-settings:2").await, 1);
    assert_eq!(invalidate_tag("batch-settings-value:4").await, 1);
}

#[tokio::test(start_paused = true)]
async fn callers_do_not_wait_longer_than_load_timeout() {
    use settings::slow;
    assert_eq!(slow(7).await, Err(DbError::Slow));
    assert_eq!(slow(8).await, Ok(Some(8)));
    assert_eq!(slow::stats().timeouts, 1);
}

/// Methods have no handle: their companions stand beside them.
#[derive(Clone, Default)]
struct Repository {
    db: Db,
}

impl Repository {
    /// Documented.
    #[cached_batch(window = "0ms", skip(self))]
    async fn load(&self, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
        self.db.read(ids)
    }

    #[cached_batch(window = "0ms", skip(self, prefix))]
    async fn named(self: Arc<Self>, prefix: &str, ids: Vec<u64>) -> Result<HashMap<u64, String>, DbError> {
        let found = self.db.read(&ids)?;
        Ok(found
            .into_iter()
            .map(|(id, user)| (id, format!("{prefix}{}", user.name)))
            .collect())
    }

    #[cached_batch(window = "0ms", skip(Self))]
    async fn doubled(ids: &[u64]) -> Result<HashMap<u64, u64>, DbError> {
        Ok(ids.iter().map(|id| (*id, id * 2)).collect())
    }

    #[invalidates(Self::load(id), Self::named(id))]
    async fn rename(&self, id: u64) {
        let _ = id;
        self.db.version.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn methods_batch_as_well() {
    let it = Repository::default();
    let (a, b) = futures::join!(it.load(1), it.load(2));
    assert_eq!((a.unwrap().unwrap().id, b.unwrap().unwrap().id), (1, 2));
    assert_eq!(it.load_many([1, 2, 3]).await.unwrap().len(), 3);
    assert_eq!(it.db.calls(), [vec![1, 2], vec![3]]);
    assert_eq!(it.load_uncached(&[1]).await.unwrap().len(), 1);
    assert_eq!(Repository::load_cache().len(), 3);

    let shared = Arc::new(it.clone());
    assert_eq!(
        Arc::clone(&shared).named("the ", 1).await.unwrap().unwrap(),
        "the user 1.0"
    );
    it.rename(1).await;
    assert_eq!(it.load(1).await.unwrap().unwrap().name, "user 1.1");
    assert_eq!(
        Arc::clone(&shared).named("the ", 1).await.unwrap().unwrap(),
        "the user 1.1"
    );
    assert_eq!(shared.named_many("a ", [1, 2]).await.unwrap()[&2], "a user 2.1");

    assert_eq!(Repository::doubled(4).await, Ok(Some(8)));
    assert_eq!(Repository::doubled_many([4, 5]).await.unwrap()[&5], 10);
}

/// A method in a generic `impl` has batches, and a cache, for each type.
struct Of<T>(std::marker::PhantomData<T>);

impl<T: std::any::Any + Send + Sync> Of<T> {
    #[cached_batch(window = "0ms", skip(Self))]
    async fn size(ids: &[u64]) -> Result<HashMap<u64, usize>, String> {
        let size = Self::bytes();
        Ok(ids.iter().map(|id| (*id, size)).collect())
    }

    fn bytes() -> usize {
        size_of::<T>()
    }
}

#[tokio::test]
async fn each_type_has_its_own_batches() {
    let (a, b) = futures::join!(Of::<u8>::size(1), Of::<u64>::size(1));
    assert_eq!((a, b), (Ok(Some(1)), Ok(Some(8))));
}

#[tokio::test]
async fn it_may_stand_in_a_function_and_be_evicted_by_name() {
    #[cached_batch(window = "0ms")]
    async fn inner(id: &[u64]) -> Result<HashMap<u64, u64>, String> {
        Ok(id.iter().map(|id| (*id, 1)).collect())
    }
    #[invalidates(inner)]
    async fn by_name(id: u64) {
        let _ = id;
    }
    #[invalidates(inner, clear_all)]
    async fn all() {}
    #[invalidates(inner, key_fn = |ids| ids.0)]
    async fn by_key_fn(ids: (u64, u64)) {
        let _ = ids;
    }
    inner::many([1, 2, 3, 4]).await.unwrap();
    by_name(1).await;
    by_key_fn((2, 0)).await;
    assert_eq!(inner::cache().get_many(&[1, 2, 3]), [None, None, Some(1)]);
    all().await;
    assert!(inner::cache().is_empty());
}

/// Its callers may stand inside of other cached functions.
#[tokio::test]
async fn a_cached_function_may_ask_a_batch() {
    #[cached_batch(skip(db))]
    async fn users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
        db.read(ids)
    }
    #[cached_lru(skip(db))]
    async fn greeting(db: &Db, id: u64) -> Result<String, DbError> {
        let user = users(db, id).await?;
        Ok(user.map_or_else(|| "nobody".to_owned(), |user| user.name))
    }
    let db = Db::default();
    assert_eq!(greeting(&db, 50).await.unwrap(), "user 50.0");
    assert_eq!(greeting(&db, 150).await.unwrap(), "nobody");
}
