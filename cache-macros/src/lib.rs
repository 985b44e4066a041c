//! The attributes of [`cache-core`](https://docs.rs/cache-core), which re-exports them. Depend on that crate, not on
//! this one.
//!
//! Each attribute goes the same way: *parse* what was written, *check* it into a plan that cannot be wrong, *expand* the
//! plan. What an expansion calls lives in `cache_core::__private`; there is no policy here.
#![forbid(unsafe_code)]

mod cached;
mod duration;
mod error;
mod function;
mod idempotent;
mod invalidates;
mod key;
mod options;
mod place;
mod resource;
mod taken;
mod template;

use proc_macro::TokenStream;

use crate::cached::Attribute;

/// Caches what an async function returns, keeping the results that were used last.
///
/// # Example: users by id and region
/// ```
/// # use std::sync::Arc;
/// # #[derive(Clone, Debug)] pub struct User(u64);
/// # #[derive(Debug)] pub struct DbError;
/// # pub struct Db;
/// # impl Db {
/// #     async fn user(&self, id: u64, _: &str) -> Result<Arc<User>, DbError> { Ok(Arc::new(User(id))) }
/// #     async fn rename(&self, _: u64, _: String) -> Result<(), DbError> { Ok(()) }
/// # }
/// use cache_core::cached_lru;
///
/// #[cached_lru(max_size = 10_000, skip(db))]
/// async fn get_user(db: &Db, id: u64, region: &str) -> Result<Arc<User>, DbError> {
///     db.user(id, region).await
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// get_user(&Db, 7, "eu").await.unwrap();
/// get_user(&Db, 7, "eu").await.unwrap();
/// assert_eq!(get_user::stats().hits, 1);
/// # }
/// ```
///
/// The arguments form the key, of a `Result` only `Ok` is kept, and concurrent callers of one key share one load. A
/// handle of the function's name gives `get_user::invalidate(id, region).await`, `clear`, `refresh`, `uncached`,
/// `peek`, `insert`, `stats` and `cache`.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `max_size = N` or `unbounded` | entries kept; 0 keeps nothing | 128 |
/// | `ttl = "60s"` | age at which an entry is gone, or a `Duration` expression | none |
/// | `tti = "10m"` | idle time after which an entry is gone | none |
/// | `ttl_fn = path or closure` | the TTL of a value, made of it, in the place of `ttl`; zero keeps nothing | none |
/// | `jitter = 0.1` or `"5s"` | by how much each TTL is shortened at most, at random | none |
/// | `refresh_ahead = 0.8` | a hit after this share of the TTL starts one refresh in the background | none |
/// | `stale_while_revalidate = "30s"` | for so long after the TTL the old value is served, while one refresh runs in the background | none |
/// | `stale_if_error = "5m"` | for so long after the TTL the old value serves if a load fails | none |
/// | `retry_after = "1s"` | how long a failed load keeps the next one away, while there is an old value | 1 s |
/// | `err_ttl = "1s"` | for how long an error is kept, if it is `Clone` | none |
/// | `soft_timeout = "50ms"` | how long a caller waits that could have an old value (`stale_if_error`); the load goes on | none |
/// | `load_timeout = "2s"` | how long a caller waits for a load; its error is made from `LoadTimeout`; the load goes on | none |
/// | `detached` | loads are tasks of their own, and go on without their callers | not |
/// | `skip(arg, ...)` | arguments that are not part of the key | none |
/// | `key = expr` | the whole key, from the arguments by reference | the arguments in order |
/// | `cache_if = path or closure` | of a success value: keep it or not | keep |
/// | `policy = "lru"` or `"tiny_lfu"` | eviction policy | `"lru"` |
/// | `max_weight = N, weigher = path` | bound by weight in place of count | none |
/// | `name = "..."` | name in statistics | module path and function |
/// | `tags("...", "user:{id}")` | what an entry is tagged with: texts over the arguments in the key | none |
/// | `tag_fn = path or closure` | of a success value: more tags, as texts to iterate over | none |
/// | `crate = ::path` | where `cache_core` is found when renamed | `::cache_core` |
///
/// # Example: tags
/// ```
/// # #[derive(Clone)] pub struct Page { products: Vec<u64> }
/// use cache_core::{cached_lru, invalidates};
///
/// #[cached_lru(tags("pages", "shop:{shop}"), tag_fn = |page| page.products.iter().map(|id| format!("product:{id}")))]
/// async fn get_page(shop: &str, number: u32) -> Page {
///     Page { products: vec![3, 5] }
/// }
///
/// #[invalidates(tag = "product:{id}")]
/// async fn set_price(id: u64, price: u32) {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// get_page("eu", 1).await;
/// set_price(5, 120).await;
/// assert!(get_page::peek("eu", 1).is_none());
/// # }
/// ```
///
/// In the braces of a tag stands an argument, `{id}`, or a field of one, `{user.address.0}`, with a format if need be,
/// `{id:>04}`; `{{` is a brace. A tag is made of the key, so that an entry has it however it came in: by a call, by `refresh`
/// or by `insert`. A `tag_fn` sees the value alone, and captures nothing.
///
/// With `refresh_ahead`, `stale_while_revalidate`, `soft_timeout`, `load_timeout` or `detached` loads are tasks, which own
/// what they are made of: what the call is lent is cloned on a miss, `&self` and skipped arguments included, so that it has to
/// be `Clone + Send + Sync + 'static`; what the call is given has to be `Send + 'static`, and so have the error and the future
/// of the body. A `cache_if` sees the value alone there. They run in the session of their caller, and so does a `refresh`.
///
/// # Example: an old value rather than an error, and rather than a wait
/// ```
/// use cache_core::cached_lru;
///
/// #[derive(Clone)]
/// struct Client;
///
/// #[cached_lru(ttl = "10s", stale_while_revalidate = "30s", stale_if_error = "10m", soft_timeout = "50ms", skip(client))]
/// async fn price(client: &Client, article: &str) -> Result<u64, String> {
///     Ok(42)
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert_eq!(price(&Client, "tea").await, Ok(42));
/// # }
/// ```
#[proc_macro_attribute]
pub fn cached_lru(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::Lru, arguments.into(), &item.into()).into()
}

/// Caches what an async function returns, for a minute unless told otherwise.
///
/// # Example: a list that may be five minutes old
/// ```
/// # use std::sync::Arc;
/// # #[derive(Clone, Debug)] pub struct User(u64);
/// # #[derive(Debug)] pub struct DbError;
/// # pub struct Db;
/// # impl Db {
/// #     async fn user(&self, id: u64, _: &str) -> Result<Arc<User>, DbError> { Ok(Arc::new(User(id))) }
/// #     async fn rename(&self, _: u64, _: String) -> Result<(), DbError> { Ok(()) }
/// # }
/// use cache_core::cached_ttl;
///
/// #[cached_ttl(ttl = "5m", skip(db))]
/// async fn list_users(db: &Db, region: &str) -> Result<Arc<[User]>, DbError> {
///     Ok(vec![User::clone(&*db.user(1, region).await?)].into())
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// list_users(&Db, "eu").await.unwrap();
/// assert_eq!(list_users::stats().len, 1);
/// # }
/// ```
///
/// Like `#[cached_lru]`, with the defaults `ttl = "60s"` and `max_size = 1024`.
#[proc_macro_attribute]
pub fn cached_ttl(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::Ttl, arguments.into(), &item.into()).into()
}

/// Caches what an async function returns in a `Cache` of the user's own: a field, a shared static.
///
/// # Example: a cache in each instance
/// ```
/// # use std::sync::Arc;
/// # #[derive(Clone, Debug)] pub struct User(u64);
/// # #[derive(Debug)] pub struct DbError;
/// # pub struct Db;
/// # impl Db {
/// #     async fn user(&self, id: u64, _: &str) -> Result<Arc<User>, DbError> { Ok(Arc::new(User(id))) }
/// #     async fn rename(&self, _: u64, _: String) -> Result<(), DbError> { Ok(()) }
/// # }
/// use cache_core::{Cache, cached_in};
///
/// struct Service {
///     db: Db,
///     users: Cache<u64, Arc<User>>,
/// }
///
/// impl Service {
///     #[cached_in(self.users)]
///     async fn get_user(&self, id: u64) -> Result<Arc<User>, DbError> {
///         self.db.user(id, "eu").await
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = Service { db: Db, users: Cache::builder().max_size(1_000).build() };
/// service.get_user(7).await.unwrap();
/// assert!(service.users.get(&7).is_some());
/// # }
/// ```
///
/// Takes `key`, `skip`, `cache_if`, `tags`, `tag_fn`, `detached` and `crate`. The argument whose field the cache is stays out
/// of the key, as `self` does, and tags may name it all the same. Size, age and policy belong to that cache's builder, and so do
/// tags that everything in it is to carry: those that are written here belong to what this function brings in. Works where the
/// other attributes cannot: in trait impls, and with generic keys and values.
///
/// With `detached` loads are tasks, which is what the builder's `stale_while_revalidate`, `refresh_ahead`, `soft_timeout` and
/// `load_timeout` need to do all that they do. The last gives callers an error if the function's can be made from
/// `LoadTimeout`; otherwise they wait. Of what a method is lent, `&self` included, only what its body names is cloned.
#[proc_macro_attribute]
pub fn cached_in(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::In, arguments.into(), &item.into()).into()
}

/// Caches what a tool of an agent reads, under the name of the resource it reads from.
///
/// # Example: the cart of a user, for each session
/// ```
/// use cache_core::{agent_cached, agent_invalidates, session};
///
/// #[agent_cached(resource = "cart", scope = "session", ttl = "5m")]
/// async fn get_cart(user: u64) -> Vec<String> {
///     vec!["tea".to_owned()]
/// }
///
/// #[agent_invalidates(resource = "cart")]
/// async fn add_to_cart(user: u64, item: &str) {}
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// session::scope("a7", async {
///     get_cart(1).await;
///     assert!(get_cart::peek(1).is_some());
///     add_to_cart(1, "milk").await;
///     assert_eq!(get_cart::peek(1), None);
/// })
/// .await;
/// # }
/// ```
///
/// Like `#[cached_ttl]`, all of whose arguments it takes, and beside them:
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `resource = "cart"` | what is read: a text, or a `Resource` constant | must be there |
/// | `scope = "global"` or `"session"` | for whom a result is kept: for everybody, or for the current session | `"global"` |
///
/// By session, the current one is part of the key, so that no session is given what another one's call found; it is that in
/// which the future is first polled. Outside of any session such a function runs uncached, which `stats().bypassed` counts.
/// `session::end` drops what was kept for one.
#[proc_macro_attribute]
pub fn agent_cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::Agent, arguments.into(), &item.into()).into()
}

/// Caches what an async function loads for many keys at once, and makes of it a function for one key.
///
/// # Example: users by id
/// ```
/// # #[derive(Clone, Debug, PartialEq)] pub struct User(u64);
/// # #[derive(Clone, Debug, PartialEq)] pub struct DbError;
/// # #[derive(Clone)] pub struct Db;
/// # impl Db {
/// #     async fn users(&self, ids: &[u64]) -> Result<Vec<User>, DbError> { Ok(ids.iter().map(|id| User(*id)).collect()) }
/// # }
/// use std::collections::HashMap;
/// use cache_core::cached_batch;
///
/// #[cached_batch(window = "5ms", max_batch = 100, skip(db))]
/// async fn load_users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
///     let users = db.users(ids).await?;
///     Ok(users.into_iter().map(|user| (user.0, user)).collect())
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // Both in one call of the body.
/// let (a, b) = tokio::join!(load_users(&Db, 7), load_users(&Db, 8));
/// assert_eq!((a, b), (Ok(Some(User(7))), Ok(Some(User(8)))));
/// assert_eq!(load_users::stats().batches, 1);
///
/// let both = load_users::many(&Db, [7, 8]).await.unwrap();
/// assert_eq!(both[&8], User(8));
/// # }
/// ```
///
/// Keys that are asked for within the window, by any task, go into one call of the body. What is cached never does, and a key
/// that is loading is waited for. A key that the body leaves out gives `None` to who asked for it; an error reaches every
/// caller of its batch. What the body is lent, and `skip(..)` leaves out of the key, is copied for it, once for each batch: that of
/// the caller who opened it. The body runs as a task, in the session of that caller, which all in a batch share.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `window = "5ms"` | for how long keys are gathered, from the first on; zero: until the runtime comes to it | 5 ms |
/// | `max_batch = N` | with so many keys a batch goes at once | 100 |
/// | `none_ttl = "10s"` | for how long it is kept that there is nothing for a key | not at all |
///
/// Beside these, all of `#[cached_ttl]`, with its defaults, but for `key` and `detached`. The handle has, beside what those of other functions
/// have, `load_users::many(&db, ids)`; `load_users::uncached(&db, &ids)` is the body. For a method, with `skip(self)`, these are
/// `load_users_many` and `load_users_uncached`.
///
/// The body returns a `Result` of a `HashMap`, a `BTreeMap`, a `Vec` of pairs, or anything else that yields keys and values. Keys that
/// were not asked for are ignored.
#[proc_macro_attribute]
pub fn cached_batch(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::Batch, arguments.into(), &item.into()).into()
}

/// Caches what an async function returns for as long as the revision of its data stays the same.
///
/// # Example: a summary that is made anew when one of two tables has changed
/// ```
/// # use std::sync::Arc;
/// # use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// # #[derive(Debug, PartialEq)] pub struct Summary(u64);
/// # #[derive(Debug, PartialEq)] pub struct DbError;
/// # impl std::fmt::Display for DbError { fn fmt(&self, _: &mut std::fmt::Formatter) -> std::fmt::Result { Ok(()) } }
/// # impl std::error::Error for DbError {}
/// # #[derive(Clone, Default)] pub struct Db(Arc<AtomicU64>);
/// # impl Db {
/// #     async fn revision(&self, _: &[&str]) -> Result<u64, DbError> { Ok(self.0.load(Relaxed)) }
/// #     async fn summary(&self) -> Result<Summary, DbError> { Ok(Summary(self.0.load(Relaxed))) }
/// #     async fn add_topic(&self) { self.0.fetch_add(1, Relaxed); }
/// # }
/// use cache_core::cached_revision;
/// use cache_core::revision::Status;
///
/// #[cached_revision(revision = db.revision(&["topics", "tasks"]), on_change = "reload", max_stale = "5m")]
/// async fn summary(db: &Db) -> Result<Arc<Summary>, DbError> {
///     Ok(Arc::new(db.summary().await?))
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), DbError> {
/// # let db = Db::default();
/// summary(&db).await?;
/// assert_eq!(summary::lookup(&db).await?.status, Status::HitRevision);
///
/// db.add_topic().await;
/// assert_eq!(summary::lookup(&db).await?.status, Status::Reloaded);
/// # Ok(())
/// # }
/// ```
///
/// A call reads the revision first, in every case, and so before anything is loaded. If it is the one that the value was made at,
/// the call is given the value, whatever its age. If not, `on_change` says what happens.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `revision = expr` | a value or a future of a value that is `Eq + Clone + Send + Sync + 'static`, or of a `Result` of one; the arguments in it stand for references; of a reference, such as `&str`, the owned form is kept; a `?` breaks off the reading, and not the call | must be there |
/// | `on_change = "reload"` | a call that reads another revision waits for a new value; all who do share one load | this |
/// | `on_change = "stale"` | it is given the old value, and one new one is brought in the background, unless the old one has not been up to date for `max_stale` | |
/// | `max_stale = "5m"` | for how long a value may serve that is outdated, or while the revision cannot be read; counted from when it was last known to be up to date | 60 s |
/// | `retry_after = "1s"` | how soon a failed refresh in the background is tried again | 1 s |
/// | `max_size`, `unbounded`, `max_weight`, `weigher`, `policy`, `ttl`, `tti`, `skip`, `cache_if`, `name`, `tags`, `tag_fn`, `crate` | as for `#[cached_lru]` | 1024 entries, no `ttl` |
///
/// The arguments form the key, but for those in `skip(..)` and for the one that `revision` begins with: `db` in
/// `db.revision(..)`. If that could be part of a key, the compiler asks which is meant.
///
/// A revision that cannot be read fails no call: the value at hand serves for `max_stale`, with the status `Unverified`, and
/// without one a new value is loaded, which serves for as long. With `on_change = "stale"` loads are tasks, as with
/// `#[cached_lru(detached)]`, and own what they are made of.
///
/// The handle has `summary::lookup(&db)`, which returns a [`Lookup`](../cache_core/revision/struct.Lookup.html) with value, status,
/// age and revision; `force(&db)`, which rebuilds now; `last_error()`, the last failure that no caller was told of, until what
/// failed has succeeded, or `clear`; and `invalidate`, `clear`, `peek`, `uncached`, `stats` and `cache` as others have, but no `insert`,
/// since a value that is not loaded has no revision. For a method, with `skip(self)`, these are `summary_lookup`, `summary_force`,
/// `summary_last_error`, `summary_cache` and `summary_uncached`.
#[proc_macro_attribute]
pub fn cached_revision(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::Revision, arguments.into(), &item.into()).into()
}

/// Evicts from caches what an async function is about to make stale, and again when it ends, however it ends.
///
/// # Example: one entry of one function, all of another
/// ```
/// # use std::sync::Arc;
/// # #[derive(Clone, Debug)] pub struct User(u64);
/// # #[derive(Debug)] pub struct DbError;
/// # pub struct Db;
/// # impl Db {
/// #     async fn user(&self, id: u64, _: &str) -> Result<Arc<User>, DbError> { Ok(Arc::new(User(id))) }
/// #     async fn rename(&self, _: u64, _: String) -> Result<(), DbError> { Ok(()) }
/// # }
/// use cache_core::{cached_lru, invalidates};
///
/// #[cached_lru(skip(db))]
/// async fn get_user(db: &Db, id: u64, region: &str) -> Result<Arc<User>, DbError> {
///     db.user(id, region).await
/// }
///
/// #[cached_lru(skip(db))]
/// async fn count_users(db: &Db) -> usize {
///     db.user(1, "eu").await.iter().count()
/// }
///
/// #[invalidates(get_user(id, region), count_users(..))]
/// async fn rename_user(db: &Db, id: u64, region: &str, name: String) -> Result<(), DbError> {
///     db.rename(id, name).await
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// get_user(&Db, 7, "eu").await.unwrap();
/// count_users(&Db).await;
/// rename_user(&Db, 7, "eu", "Ada".to_owned()).await.unwrap();
/// assert!(get_user::peek(7, "eu").is_none() && count_users::peek().is_none());
/// # }
/// ```
///
/// | form | evicts |
/// |---|---|
/// | `invalidates(get_user)` | the entry whose key arguments have the names of the mutation's |
/// | `invalidates(get_user, clear_all)` | all of `get_user` |
/// | `invalidates(get_user, key_fn = \|id, _name\| id)` | the entry for what `key_fn` makes of references to the mutation's arguments |
/// | `invalidates(get_user(id), list_users(..))` | several at once, by call; `(..)` is all |
/// | `invalidates(tag = "user:{id}")` | whatever carries the tag, in all caches of the process; `{id}` is an argument or a field of one |
/// | `invalidates(Self::get_user(id))`, `invalidates(self.users(id))` | methods, and caches held in fields |
#[proc_macro_attribute]
pub fn invalidates(arguments: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::expand(arguments.into(), &item.into()).into()
}

/// Evicts what tools have read of a resource that an async function is about to change, and again when it ends, however
/// it ends.
///
/// # Example: one entry of a resource
/// ```
/// use cache_core::{Resource, agent_cached, agent_invalidates};
///
/// const PRODUCT: Resource = Resource::new("product");
///
/// #[agent_cached(resource = PRODUCT)]
/// async fn get_product(id: u64) -> String {
///     format!("product {id}")
/// }
///
/// #[agent_invalidates(resource = PRODUCT, key_fn = |id, _price| id)]
/// async fn set_price(id: u64, price: u32) {}
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// get_product(1).await;
/// get_product(2).await;
/// set_price(1, 120).await;
/// assert_eq!(get_product::peek(1), None);
/// assert!(get_product::peek(2).is_some());
/// # }
/// ```
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `resource = "cart"` | what is changed: a text, or a `Resource` constant | must be there |
/// | `scope = "global"` or `"session"` | whose part of it: everybody's, or the current session's | `"global"` |
/// | `clear_all` | all of it | this, without a `key_fn` |
/// | `key_fn = path or closure` | what it makes of references to the arguments is the key of the entries to evict | none |
/// | `crate = ::path` | where `cache_core` is found when renamed | `::cache_core` |
///
/// `scope = "session"` is for what concerns the current session and nobody else. It leaves what is kept for everybody of the
/// same resource, and what other sessions have kept of it: where those see the change too, leave the scope global. Outside of
/// any session it is not known whose part is meant, and everybody's is evicted.
///
/// A key of another type than the functions of the resource have evicts all of it. Several of these, and
/// `#[invalidates(..)]`, may stand above one function.
#[proc_macro_attribute]
pub fn agent_invalidates(arguments: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::expand_agent(arguments.into(), &item.into()).into()
}

/// Runs an async function once for each request, and replays what it returned to whoever sends that again.
///
/// # Example: orders that clients may send twice
/// ```
/// use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome};
/// use cache_core::idempotent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone)]
/// struct App {
///     replay: IdempotencyStore<MemoryBackend>,
/// }
///
/// #[derive(Clone, Serialize)]
/// struct CreateOrder {
///     idempotency_key: String,
///     item: String,
/// }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Receipt {
///     order: u64,
/// }
///
/// #[derive(Debug)]
/// enum OrderError {
///     Refused(IdempotencyError),
/// }
///
/// impl From<IdempotencyError> for OrderError {
///     fn from(error: IdempotencyError) -> Self {
///         Self::Refused(error)
///     }
/// }
///
/// #[idempotent(store = app.replay, key = req.idempotency_key, scope = (tenant, principal), payload = req)]
/// async fn create_order(app: &App, tenant: &str, principal: &str, req: CreateOrder) -> Result<Receipt, OrderError> {
///     Ok(Receipt { order: 1 })
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), OrderError> {
/// let app = App { replay: IdempotencyStore::new(MemoryBackend::new()) };
/// let req = |item: &str| CreateOrder { idempotency_key: "8e03978e".to_owned(), item: item.to_owned() };
/// create_order(&app, "acme", "ada", req("shoes")).await?;
///
/// let repeat = create_order::outcome(&app, "acme", "ada", req("shoes")).await?;
/// assert_eq!(repeat, Outcome::Replayed(Receipt { order: 1 }));
///
/// let OrderError::Refused(error) = create_order(&app, "acme", "ada", req("hats")).await.unwrap_err();
/// assert!(matches!(error, IdempotencyError::Conflict { .. }));
/// assert_eq!(create_order::stats().replayed, 1);
/// # Ok(()) }
/// ```
///
/// A handle of the function's name gives `create_order::outcome(..)`, which tells `Fresh` from `Replayed`, `stats()`, `NAME`, and
/// `unguarded(..)`, which runs the body whatever has run before. For a method these are `create_order_outcome(..)`,
/// `create_order_stats()`, `CREATE_ORDER_NAME` and `create_order_unguarded(..)`.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `store = expr` | the `IdempotencyStore`, or what points to one: a field of an argument, a static, a call | must be there |
/// | `key = expr` | what the client sent to tell this request from others: a text, or an `Option` of one; without a key the body runs | must be there |
/// | `scope = (tenant, principal)` | whose data it is and who asks, each `Display`; for a single tenant `("main", user_id)` | must be there |
/// | `payload = expr` or `(a, b)` | what is asked for, `Serialize`: another payload under the same key is refused; `()` compares nothing | must be there |
/// | `ignore("sent_at", "meta.trace_id")` | fields of the payload that repeats may change | none |
/// | `store_error = path or closure` | of an error: store it and replay it, or let a repeat run again; then it has to be `Serialize + DeserializeOwned` | what the store has been told |
/// | `tx = tx` | the argument in whose transaction the body runs, a `&mut sqlx::Transaction<'_, Postgres>` (feature `postgres`) | a task under a lease |
/// | `name = "orders::create"` | what the operation is called in the records | module path and function |
/// | `crate = ::path` | where `cache_core` is found when renamed | `::cache_core` |
///
/// The expressions are evaluated once, from the arguments by reference, before the body runs and takes them. They may end the call
/// with `?`. A default name changes when the function moves, and records made under the old one are then not found: give it the old
/// name as `name`. Methods, and functions in other functions, have to have one, because theirs would not be unique.
///
/// The function returns a `Result<T, E>`: `T` is `Serialize + DeserializeOwned`, and `E` is `From<IdempotencyError>`. The body runs as
/// a task of its own, so that a client which goes away does not end it half way: what the call is lent is cloned for it, `&self`
/// included, so that has to be `Clone + Send + Sync + 'static`, and what the call is given `Send + 'static`. `#[invalidates]` on the
/// same function, above or below, lasts as long as the body.
///
/// # Example: exactly one effect, in a transaction of Postgres
/// ```ignore
/// #[idempotent(store = app.replay, key = req.idempotency_key, scope = (tenant, principal), payload = req, tx = tx)]
/// async fn create_order(
///     app: &App,
///     tx: &mut sqlx::Transaction<'_, Postgres>,
///     tenant: &str,
///     principal: &str,
///     req: &CreateOrder,
/// ) -> Result<Receipt, OrderError> {
///     let insert = sqlx::query_scalar("INSERT INTO orders (item) VALUES ($1) RETURNING id").bind(&req.item);
///     Ok(Receipt { order: insert.fetch_one(&mut **tx).await? })
/// }
///
/// let mut tx = pool.begin().await?;
/// let receipt = create_order(&app, &mut tx, "acme", "ada", &req).await?;
/// tx.commit().await?;
/// ```
///
/// There the body runs in the call, so nothing is cloned and arguments may be lent as they like. Claim, effect and reply are there when the
/// caller commits, and none of them when he does not. The transaction has to be `READ COMMITTED`.
#[proc_macro_attribute]
pub fn idempotent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    idempotent::expand(arguments.into(), &item.into()).into()
}
