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
mod invalidates;
mod key;
mod options;
mod place;
mod resource;
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
/// | `skip(arg, ...)` | arguments that are not part of the key | none |
/// | `key = expr` | the whole key, from the arguments by reference | the arguments in order |
/// | `cache_if = path or closure` | of a success value: keep it or not | keep |
/// | `policy = "lru"` or `"tiny_lfu"` | eviction policy | `"lru"` |
/// | `max_weight = N, weigher = path` | bound by weight in place of count | none |
/// | `name = "..."` | name in statistics | module path and function |
/// | `crate = ::path` | where `cache_core` is found when renamed | `::cache_core` |
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
/// Takes `key`, `skip`, `cache_if` and `crate`; the argument whose field the cache is stays out of the key, as `self` does. Size, age and policy belong to that cache's builder. Works where the
/// other attributes cannot: in trait impls, and with generic keys and values.
#[proc_macro_attribute]
pub fn cached_in(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::In, arguments.into(), &item.into()).into()
}

/// T
#[proc_macro_attribute]
pub fn agent_cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached::expand(Attribute::Agent, arguments.into(), &item.into()).into()
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
/// | `invalidates(Self::get_user(id))`, `invalidates(self.users(id))` | methods, and caches held in fields |
#[proc_macro_attribute]
pub fn invalidates(arguments: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::expand(arguments.into(), &item.into()).into()
}

/// T
#[proc_macro_attribute]
pub fn agent_invalidates(arguments: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::expand_agent(arguments.into(), &item.into()).into()
}
