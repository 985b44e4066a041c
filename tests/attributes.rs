//! The attributes on every kind of function they go on.

#![allow(
    clippy::unwrap_used,
    clippy::assigning_clones,
    clippy::too_many_arguments,
    clippy::ptr_arg,
    clippy::multiple_bound_locations,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Cache, cached_in, cached_lru, cached_ttl, invalidates};

/// Counts how often a body runs.
#[derive(Default)]
struct Db {
    reads: AtomicU64,
}

impl Db {
    fn read(&self) -> u64 {
        self.reads.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

#[derive(Debug, PartialEq)]
struct DbError;

type Res<T> = Result<T, DbError>;

mod users {
    use super::*;

    /// Documented.
    #[cached_lru(max_size = 100, skip(db))]
    pub(crate) async fn get_user(db: &Db, id: u64, region: &str) -> Res<Arc<String>> {
        if id == 0 {
            db.read();
            Err(DbError)?;
        }
        Ok(Arc::new(format!("{region}/{id}#{}", db.read())))
    }
}

use users::get_user;

#[invalidates(get_user(id, region))]
async fn rename_user(_db: &Db, id: u64, region: &str, name: String) -> Res<String> {
    assert_eq!(get_user::peek(id, region), None);
    Ok(name)
}

#[invalidates(get_user)]
async fn touch_user(region: String, other: &str, id: u64) -> (String, usize) {
    (region, other.len())
}

#[invalidates(get_user, clear_all)]
async fn import() {}

#[invalidates(get_user, key_fn = |place, id| (id, place))]
async fn move_user(place: String, id: u64) -> String {
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_cached_and_invalidated_in_every_form() {
    let db = Db::default();
    let first = get_user(&db, 7, "eu").await.unwrap();
    assert_eq!(get_user(&db, 7, "eu").await.unwrap(), first);
    assert_eq!(db.reads(), 1);
    assert_eq!(get_user::peek(7, "eu"), Some(first));
    assert_eq!(get_user::peek(7, "us"), None);

    rename_user(&db, 7, "eu", "Ada".to_owned()).await.unwrap();
    assert_eq!(get_user::peek(7, "eu"), None);

    for mutation in 0..4 {
        get_user(&db, 7, "eu").await.unwrap();
        get_user(&db, 8, "eu").await.unwrap();
        match mutation {
            0 => assert_eq!(touch_user("eu".to_owned(), "xx", 7).await, ("eu".to_owned(), 2)),
            1 => assert_eq!(move_user("eu".to_owned(), 7).await, "eu"),
            2 => assert!(get_user::invalidate(7, "eu").await),
            _ => import().await,
        }
        assert_eq!(get_user::peek(7, "eu"), None, "{mutation}");
        assert_eq!(get_user::peek(8, "eu").is_some(), mutation != 3, "{mutation}");
    }

    get_user::insert(9, "eu", Arc::new("by hand".to_owned())).await;
    assert_eq!(*get_user(&db, 9, "eu").await.unwrap(), "by hand");
    let refreshed = get_user::refresh(&db, 9, "eu").await.unwrap();
    assert_ne!(*refreshed, "by hand");
    assert_eq!(get_user(&db, 9, "eu").await.unwrap(), refreshed);
    assert_ne!(get_user::uncached(&db, 9, "eu").await.unwrap(), refreshed);
    assert_eq!(get_user::cache().name(), concat!(module_path!(), "::users::get_user"));
    assert!(get_user::stats().hits >= 3);
    get_user::clear().await;
    assert_eq!(get_user::stats(), cache_core::Stats::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_of_result_keeps_only_ok() {
    let db = Db::default();
    for _ in 0..3 {
        assert_eq!(get_user(&db, 0, "err").await, Err(DbError));
    }
    assert_eq!(db.reads(), 3);
    assert_eq!(get_user::peek(0, "err"), None);
}

struct Service {
    tenant: String,
    db: Db,
    own: Cache<(u64, String), u64>,
}

trait Repository {
    async fn count(&self, id: u64) -> u64;
}

impl Service {
    fn new(tenant: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            db: Db::default(),
            own: Cache::builder().build(),
        }
    }

    #[cached_lru(skip(self))]
    async fn shared(&self, id: u64) -> u64 {
        self.db.read() + id
    }

    #[cached_ttl(key = (self.tenant, id))]
    async fn by_tenant(&self, id: u64, _trace: &str) -> String {
        format!("{}:{}#{}", self.tenant, id, self.db.read())
    }

    #[cached_in(self.own)]
    async fn mine(&self, id: u64, name: &str) -> u64 {
        let _ = name;
        self.db.read() + id
    }

    #[cached_lru]
    async fn of_type(id: u64) -> Option<Self> {
        let _ = id;
        None
    }

    #[invalidates(Self::shared(id), Self::by_tenant(self, id), self.own(id, name))]
    async fn change(&mut self, id: u64, name: String) -> Res<()> {
        self.tenant = self.tenant.clone();
        drop(name);
        if id == 99 {
            return Err(DbError);
        }
        Ok(())
    }

    #[invalidates(Self::shared, clear_all)]
    #[invalidates(Self::by_tenant(..))]
    #[invalidates(self.own(..))]
    async fn change_all(&self) {}

    #[invalidates(Self::shared)]
    #[invalidates(Self::by_tenant)]
    async fn change_named(&self, id: u64) {}

    #[invalidates(Self::shared, key_fn = |id| id)]
    async fn change_made(&self, id: u64) {}
}

impl Clone for Service {
    fn clone(&self) -> Self {
        Self::new(&self.tenant)
    }
}

impl Repository for Service {
    #[cached_in(self.own, key = (id, "count"))]
    async fn count(&self, id: u64) -> u64 {
        self.db.read() * id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_are_cached_as_they_say() {
    let (mut a, b) = (Service::new("a"), Service::new("b"));
    assert_eq!(a.shared(1).await, b.shared(1).await);
    assert_eq!(b.db.reads(), 0);
    assert_eq!(a.by_tenant(1, "x").await, a.by_tenant(1, "y").await);
    assert_ne!(a.by_tenant(1, "x").await, b.by_tenant(1, "x").await);
    assert_eq!(a.mine(1, "n").await, a.mine(1, "n").await);
    assert_eq!(b.own.len(), 0);
    assert_eq!(a.count(3).await, a.count(3).await);
    assert_eq!(a.own.len(), 2);
    assert!(Service::of_type(1).await.is_none());
    assert!(Service::of_type(1).await.is_none());
    assert_eq!(Service::of_type_cache().stats().hits, 1);
    assert!(Service::shared_cache().name().ends_with("Service::shared"));

    a.change(1, "n".to_owned()).await.unwrap();
    assert_eq!(Service::shared_cache().peek(&1), None);
    assert_eq!(a.own.peek(&(1, "n".to_owned())), None);
    assert_eq!(Service::by_tenant_cache().len(), 1);
    assert_eq!(a.own.len(), 1);
    assert_eq!(a.change(99, "n".to_owned()).await, Err(DbError));

    a.shared(1).await;
    a.by_tenant(1, "").await;
    a.change_named(1).await;
    assert_eq!(Service::shared_cache().peek(&1), None);
    assert_eq!(Service::by_tenant_cache().len(), 1);
    a.shared(1).await;
    a.change_made(1).await;
    assert_eq!(Service::shared_cache().peek(&1), None);
    a.shared(1).await;
    a.change_all().await;
    assert!(Service::shared_cache().is_empty() && Service::by_tenant_cache().is_empty() && a.own.is_empty());
}

struct Generic<T> {
    cache: Cache<(T, u64), Vec<T>>,
}

impl<T: cache_core::Key> Generic<T> {
    #[cached_in(self.cache)]
    async fn repeat(&self, of: T, times: u64) -> Res<Vec<T>> {
        if times == 0 {
            return Err(DbError);
        }
        Ok((0..times).map(|_| of.clone()).collect())
    }

    #[cached_lru(skip(self))]
    async fn size(&self, times: usize) -> usize {
        std::mem::size_of::<T>() * times
    }

    #[invalidates(self.cache(of, times))]
    async fn forget(&self, of: &T, times: u64) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn generics_are_kept_apart() {
    let small = Generic {
        cache: Cache::builder().build(),
    };
    let large = Generic {
        cache: Cache::builder().build(),
    };
    assert_eq!(small.repeat(1u8, 2).await, Ok(vec![1, 1]));
    assert_eq!(small.repeat(1u8, 0).await, Err(DbError));
    assert_eq!(large.repeat("a".to_owned(), 2).await.unwrap().len(), 2);
    assert_eq!(small.size(3).await, 3);
    assert_eq!(large.size(3).await, 3 * std::mem::size_of::<String>());
    assert_eq!(small.cache.len(), 1);
    small.forget(&1, 2).await;
    assert_eq!(small.cache.len(), 0);
}

static SHARED: std::sync::LazyLock<Cache<u64, u64>> =
    std::sync::LazyLock::new(|| Cache::builder().name("shared").build());

#[cached_in(SHARED)]
async fn in_static(id: u64) -> u64 {
    id + 1
}

#[invalidates(in_static(id))]
#[invalidates(SHARED(id + 1))]
async fn out_of_static(id: u64) {}

#[cached_in(service.own, key = (id, service.tenant), cache_if = |sum| *sum > 5)]
async fn in_argument(service: &Service, id: u64) -> u64 {
    service.db.read() + id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_of_ones_own_has_a_handle_too() {
    assert_eq!(in_static(1).await, 2);
    assert_eq!(in_static::peek(1), Some(2));
    assert_eq!(SHARED.get(&1), Some(2));
    assert_eq!(in_static::stats().hits, 1);
    in_static(2).await;
    out_of_static(1).await;
    assert_eq!((in_static::peek(1), in_static::peek(2)), (None, None));
    in_static::refresh(1).await;
    assert!(in_static::invalidate(1).await);
    in_static::clear().await;
    assert_eq!(in_static::cache().len(), 0);

    let service = Service::new("t");
    in_argument(&service, 1).await;
    assert_eq!(in_argument::peek(&service, 1), None);
    assert_eq!(in_argument(&service, 10).await, 12);
    assert_eq!(in_argument::peek(&service, 10), Some(12));
    assert!(in_argument::invalidate(&service, 10).await);
    assert_eq!(in_argument::stats(&service).len, 0);
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Id(u32);

struct Page<'a> {
    path: &'a str,
    number: u32,
}

#[cached_lru(unbounded, name = "everything")]
async fn everything(
    a: &Id,
    b: Id,
    c: Option<&str>,
    d: Cow<'_, str>,
    e: &[u8],
    f: Vec<String>,
    g: String,
    (h, i): (u8, char),
    _: bool,
) -> Option<String> {
    (h > 0).then(|| format!("{a:?}{b:?}{c:?}{d}{e:?}{f:?}{g}{h}{i}"))
}

#[cached_lru(key = (page.path, page.number), tti = "10m", ttl = Duration::from_secs(5), policy = "tiny_lfu")]
async fn page(db: &Db, page: &Page<'_>) -> u64 {
    db.read() + u64::from(page.number)
}

#[cached_lru(key = format!("{id}/{}", name.len() > 3), crate = ::cache_core)]
async fn computed(id: u64, name: String, mut times: u32) -> String {
    times += 1;
    format!("{name}{id}{times}")
}

#[cached_lru(skip(shown, made, key), max_weight = 1_000, weigher = weigh)]
async fn skipped<'a, D: Display>(
    shown: D,
    made: impl Fn() -> u64,
    key: &mut Vec<&'a str>,
    cache: u64,
    miss: &'a str,
) -> String
where
    D: Send,
{
    key.push("x");
    format!("{shown}{}{cache}{miss}", made())
}

fn weigh(_: &(u64, String), value: &String) -> u32 {
    u32::try_from(value.len()).unwrap()
}

#[cached_lru]
async fn nothing() -> Vec<u8> {
    vec![1]
}

#[invalidates(nothing())]
async fn anything() -> impl Display {
    7
}

#[invalidates(page)]
async fn turn(page: &Page<'_>) {}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_argument_makes_a_key() {
    let call = |c: Option<&'static str>, h| {
        everything(
            &Id(1),
            Id(2),
            c,
            Cow::Borrowed("d"),
            b"e",
            vec!["f".into()],
            "g".into(),
            (h, 'i'),
            true,
        )
    };
    assert!(call(Some("c"), 1).await.is_some());
    assert_eq!(call(Some("c"), 1).await, call(Some("c"), 1).await);
    assert!(call(None, 0).await.is_none());
    assert!(call(None, 0).await.is_none());
    let stats = everything::stats();
    assert_eq!((stats.loads, stats.hits), (2, 3));
    assert_eq!(everything::cache().name(), "everything");

    let db = Db::default();
    let text = String::from("/a");
    let at = Page { path: &text, number: 3 };
    assert_eq!(page(&db, &at).await, page(&db, &at).await);
    assert_eq!(page::peek(&at), Some(4));
    assert_eq!(page::cache().len(), 1);
    turn(&at).await;
    assert_eq!(page::peek(&at), None);

    assert_eq!(computed(1, "long name".into(), 1).await, "long name12");
    assert_eq!(computed(1, "other".into(), 5).await, "long name12");
    assert!(computed::invalidate(1, "what".into()).await);

    let mut keys = vec![];
    assert_eq!(skipped("s", || 1, &mut keys, 5, "m").await, "s15m");
    assert_eq!(keys, ["x"]);
    assert_eq!(skipped::peek(5, "m").as_deref(), Some("s15m"));

    nothing().await;
    assert_eq!(nothing::peek(), Some(vec![1]));
    assert_eq!(anything().await.to_string(), "7");
    assert_eq!(nothing::peek(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_function_has_its_own_cache() {
    #[cached_lru]
    async fn get_user(id: u64) -> u64 {
        id * 2
    }

    #[invalidates(get_user(id))]
    async fn change(id: u64) {}

    assert_eq!(get_user(21).await, 42);
    assert_eq!(get_user::peek(21), Some(42));
    change(21).await;
    assert_eq!(get_user::peek(21), None);
}

#[test]
fn futures_stay_send() {
    fn is_send<T: Send>(_: T) {}
    let db = Db::default();
    is_send(get_user(&db, 1, "send"));
    is_send(get_user::refresh(&db, 1, "send"));
    is_send(rename_user(&db, 1, "send", String::new()));
    let service = Service::new("send");
    is_send(service.mine(1, "x"));
    is_send(service.by_tenant(1, "x"));
    is_send(service.change_all());
}

#[tokio::test]
async fn a_future_that_is_not_send_is_cached_as_well() {
    #[cached_lru]
    async fn local(id: u64) -> u64 {
        let not_send = std::rc::Rc::new(id);
        tokio::task::yield_now().await;
        *not_send
    }
    assert_eq!(local(3).await, 3);
    assert_eq!(local::peek(3), Some(3));
}
