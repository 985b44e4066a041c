use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{IntoFuture, Ready, ready};
use std::num::ParseIntError;
use std::pin::Pin;
use std::sync::Arc;

use cache_core::cached_revision;
use cache_core::revision::Revision;

const NOW: u64 = 7;

#[cached_revision(revision = NOW)]
async fn of_constant() -> u8 {
    1
}

#[cached_revision(revision = id % 2)]
async fn of_operators(id: u64) -> u64 {
    id
}

#[cached_revision(revision = ready(7_u64))]
async fn of_future() -> u8 {
    1
}

#[cached_revision(revision = "7".parse::<u64>())]
async fn of_result() -> u8 {
    1
}

async fn parsed(text: &str) -> Result<u64, ParseIntError> {
    text.parse()
}

#[cached_revision(revision = parsed("7"))]
async fn of_future_of_result() -> u8 {
    1
}

#[cached_revision(revision = parsed("7").await)]
async fn of_awaited() -> u8 {
    1
}

#[cached_revision(revision = (parsed("3").await?, parsed("4").await?))]
async fn of_several() -> u8 {
    1
}

#[cached_revision(revision = parsed("x").await?)]
async fn of_broken_off() -> u8 {
    1
}

#[cached_revision(revision = {
    let (a, b) = futures::join!(parsed("3"), parsed("4"));
    a.and_then(|a| b.map(|b| a + b))
})]
async fn of_block() -> u8 {
    1
}

#[cached_revision(revision = async { Ok::<_, String>(parsed("7").await.unwrap()) })]
async fn of_async_block() -> u8 {
    1
}

#[cached_revision(revision = if id > 1 { Err("too large") } else { Ok(id) })]
async fn of_error_in_words(id: u64) -> u64 {
    id
}

#[cached_revision(revision = Err::<u64, Box<dyn std::error::Error + Send + Sync>>("down".into()))]
async fn of_boxed_error() -> u8 {
    1
}

#[cached_revision(revision = Box::pin(async { 7_u64 }) as Pin<Box<dyn Future<Output = u64> + Send>>)]
async fn of_boxed_future() -> u8 {
    1
}

struct Query;

impl IntoFuture for Query {
    type Output = Result<u64, Infallible>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        ready(Ok(7))
    }
}

#[cached_revision(revision = Query)]
async fn of_into_future() -> u8 {
    1
}

// It is the call's own, and the load need not wait for it elsewhere.
#[cached_revision(revision = async { *std::rc::Rc::new(7_u64) }, on_change = "stale")]
async fn of_future_that_stays() -> u8 {
    1
}

#[cached_revision(revision = [Some(1_u8), None])]
async fn of_option() -> u8 {
    1
}

#[cached_revision(revision = Arc::<str>::from("7"))]
async fn of_shared() -> u8 {
    1
}

#[derive(Clone, PartialEq, Eq)]
enum Version {
    Etag(String),
}

#[cached_revision(revision = Version::Etag(etag.clone()), skip(etag))]
async fn of_own_type(etag: String) -> usize {
    etag.len()
}

// Lent: its own form is kept.
#[cached_revision(revision = etag, skip(etag))]
async fn of_lent(etag: &str) -> usize {
    etag.len()
}

// A name stands for a reference, so that nothing is moved.
#[cached_revision(revision = etag, on_change = "stale", skip(etag))]
async fn of_given(etag: String) -> String {
    etag
}

#[cached_revision(revision = Arc::clone(etag), skip(etag))]
async fn of_given_and_shared(etag: Arc<str>) -> Arc<str> {
    etag
}

#[cached_revision(revision = etag.map(str::len), skip(etag))]
async fn of_optional(etag: Option<&str>) -> usize {
    etag.map_or(0, str::len)
}

#[cached_revision(revision = etag.clone().into_owned(), skip(etag))]
async fn of_cow(etag: Cow<'_, str>) -> usize {
    etag.len()
}

struct Db {
    version: u64,
    name: String,
}

impl Db {
    fn name(&self) -> &str {
        &self.name
    }

    async fn connect(&self) -> Result<&Self, String> {
        Ok(self)
    }

    async fn revision(&self, tables: &[&str]) -> Result<u64, String> {
        Ok(self.version + tables.len() as u64)
    }
}

#[cached_revision(revision = db.revision(&["a", "b"]))]
async fn of_source(db: &Db, id: u64) -> u64 {
    db.version + id
}

#[cached_revision(revision = db.connect().await?.revision(&["a"]))]
async fn of_connection(db: &Db) -> u64 {
    db.version
}

#[cached_revision(revision = db.name())]
async fn of_text_of_source(db: &Db) -> u64 {
    db.version
}

#[cached_revision(revision = db.version)]
async fn of_field(db: Arc<Db>) -> u64 {
    db.version
}

struct State {
    db: Db,
    other: u8,
}

#[cached_revision(revision = db.version)]
async fn of_pattern(State { db, other }: &State) -> u64 {
    db.version + u64::from(*other)
}

fn is<R: PartialEq + 'static>(revision: Option<Revision>, expected: R) {
    assert!(revision.unwrap().downcast_ref::<R>() == Some(&expected));
}

pub fn main() {
    futures::executor::block_on(async {
        is(of_constant::lookup().await.revision, 7_u64);
        is(of_operators::lookup(3).await.revision, 1_u64);
        is(of_future::lookup().await.revision, 7_u64);
        is(of_result::lookup().await.revision, 7_u64);
        is(of_future_of_result::lookup().await.revision, 7_u64);
        is(of_awaited::lookup().await.revision, 7_u64);
        is(of_several::lookup().await.revision, (3_u64, 4_u64));
        assert!(of_broken_off::lookup().await.revision.is_none());
        assert!(of_broken_off::last_error().unwrap().to_string().ends_with("invalid digit found in string"));
        is(of_block::lookup().await.revision, 7_u64);
        is(of_async_block::lookup().await.revision, 7_u64);
        is(of_error_in_words::lookup(1).await.revision, 1_u64);
        assert!(of_error_in_words::lookup(2).await.revision.is_none());
        assert!(of_boxed_error::lookup().await.revision.is_none());
        is(of_boxed_future::lookup().await.revision, 7_u64);
        is(of_into_future::lookup().await.revision, 7_u64);
        is(of_future_that_stays::lookup().await.revision, 7_u64);
        is(of_option::lookup().await.revision, [Some(1_u8), None]);
        is(of_shared::lookup().await.revision, Arc::<str>::from("7"));
        is(of_own_type::lookup("v1".to_owned()).await.revision, Version::Etag("v1".to_owned()));
        is(of_lent::lookup("v1").await.revision, "v1".to_owned());
        is(of_given::lookup("v1".to_owned()).await.revision, "v1".to_owned());
        is(of_given_and_shared::lookup("v1".into()).await.revision, Arc::<str>::from("v1"));
        is(of_optional::lookup(Some("v1")).await.revision, Some(2_usize));
        is(of_cow::lookup("v1".into()).await.revision, "v1".to_owned());
        let db = || Db { version: 5, name: "v5".to_owned() };
        is(of_source::lookup(&db(), 1).await.revision, 7_u64);
        is(of_connection::lookup(&db()).await.revision, 6_u64);
        is(of_text_of_source::lookup(&db()).await.revision, "v5".to_owned());
        is(of_field::lookup(Arc::new(db())).await.revision, 5_u64);
        is(of_pattern::lookup(&State { db: db(), other: 1 }).await.revision, 5_u64);
        // What tells the revision is not in the key.
        assert!(of_source::peek(1).is_some() && of_field::peek().is_some() && of_pattern::peek().is_some());
    });
}
