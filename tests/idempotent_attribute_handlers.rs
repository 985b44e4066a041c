//! The handlers of `#[idempotent]`: whom they outlive, and what becomes of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome};
use cache_core::{cached_lru, idempotent, invalidates};
use futures::FutureExt as _;
use tokio::sync::Semaphore;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
    runs: Arc<AtomicU64>,
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

impl App {
    fn new() -> Self {
        Self::with(OnAbandoned::default())
    }

    fn with(on_abandoned: OnAbandoned) -> Self {
        let builder = IdempotencyStore::builder(MemoryBackend::new());
        Self {
            replay: builder.on_abandoned(on_abandoned).build().unwrap(),
            runs: Arc::default(),
            begun: Arc::new(Semaphore::new(0)),
            may_end: Arc::new(Semaphore::new(0)),
        }
    }

    fn run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn wait(&self) {
        self.begun.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
    }
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = ())]
async fn slow(app: &App, user: u64, key: &str) -> Result<u64, IdempotencyError> {
    app.wait().await;
    Ok(app.run())
}

#[tokio::test]
async fn a_client_that_goes_away_neither_ends_the_handler_nor_loses_the_reply() {
    let app = App::new();
    let call = tokio::spawn({
        let app = app.clone();
        async move { slow(&app, 1, "a").await }
    });
    app.begun.acquire().await.unwrap().forget();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(app.runs.load(Ordering::SeqCst), 0);
    let repeat = slow::outcome(&app, 1, "a");
    app.may_end.add_permits(1);
    assert_eq!(repeat.await.unwrap(), Outcome::Replayed(1));
    assert_eq!(app.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_run_once() {
    let app = App::new();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { slow(&app, 2, "a").await })
        })
        .collect();
    app.begun.acquire().await.unwrap().forget();
    app.may_end.add_permits(1);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 1);
    }
}

#[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = ())]
async fn panics_at_first(app: &App, key: &str) -> Result<u64, IdempotencyError> {
    let run = app.run();
    assert!(run > 1, "at first");
    Ok(run)
}

#[tokio::test]
async fn a_panic_reaches_the_caller_and_a_repeat_is_refused() {
    let app = App::new();
    let call = panics_at_first(&app, "a");
    let panic = std::panic::AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
    assert!(
        panic
            .downcast_ref::<&str>()
            .is_some_and(|text| text.contains("at first"))
    );
    let error = panics_at_first(&app, "a").await.unwrap_err();
    assert!(matches!(error, IdempotencyError::Abandoned { .. }), "{error}");
    assert_eq!(app.runs.load(Ordering::SeqCst), 1);
    assert_eq!(panics_at_first(&app, "b").await.unwrap(), 2);
}

#[tokio::test]
async fn a_repeat_of_a_panic_runs_again_if_the_store_says_so() {
    let app = App::with(OnAbandoned::Rerun);
    let call = panics_at_first(&app, "a");
    std::panic::AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
    assert_eq!(panics_at_first(&app, "a").await.unwrap(), 2);
}

#[derive(Debug)]
struct Failed(String);

impl From<IdempotencyError> for Failed {
    fn from(error: IdempotencyError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::num::ParseIntError> for Failed {
    fn from(error: std::num::ParseIntError) -> Self {
        Self(error.to_string())
    }
}

#[idempotent(
    store = app.replay,
    key = key.ok_or_else(|| Failed("no key".to_owned()))?,
    scope = (tenant.as_deref().unwrap_or("nobody"), 7),
    payload = text
)]
async fn parse(app: &App, tenant: Option<String>, key: Option<&str>, text: &str) -> Result<u64, Failed> {
    if text.is_empty() {
        return Ok(app.run());
    }
    let number: u64 = text.parse()?;
    Ok(number + app.run())
}

#[tokio::test]
async fn bodies_and_expressions_end_early() {
    let app = App::new();
    let error = parse(&app, None, None, "1").await.unwrap_err();
    assert_eq!(error.0, "no key");
    assert_eq!(parse(&app, None, Some("a"), "").await.unwrap(), 1);
    let error = parse(&app, None, Some("b"), "one").await.unwrap_err();
    assert!(error.0.contains("invalid digit"), "{}", error.0);
    let tenant = || Some("acme".to_owned());
    assert_eq!(parse(&app, tenant(), Some("a"), "5").await.unwrap(), 7);
    assert_eq!(parse(&app, tenant(), Some("a"), "5").await.unwrap(), 7);
}

#[tokio::test]
async fn expressions_are_evaluated_once() {
    static EVALUATED: AtomicU64 = AtomicU64::new(0);

    fn once<T>(value: T) -> T {
        EVALUATED.fetch_add(1, Ordering::SeqCst);
        value
    }

    #[idempotent(
        store = once(app).replay, key = once(key), scope = (once(String::from("main")), once(7)), payload = (once(key), once(1)),
        name = "buy"
    )]
    async fn buy(app: &App, key: &str) -> Result<u64, IdempotencyError> {
        Ok(app.run())
    }
    buy(&App::new(), "a").await.unwrap();
    assert_eq!(EVALUATED.load(Ordering::SeqCst), 6);
}

#[cached_lru(skip(app))]
async fn stock(app: &App, item: u64) -> u64 {
    let _ = item;
    app.runs.load(Ordering::SeqCst)
}

#[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = item)]
#[invalidates(stock(item))]
async fn take(app: &App, key: &str, item: u64) -> Result<u64, IdempotencyError> {
    app.wait().await;
    Ok(app.run())
}

#[invalidates(stock(item))]
#[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = item)]
async fn take_outside(app: &App, key: &str, item: u64) -> Result<u64, IdempotencyError> {
    app.wait().await;
    Ok(app.run())
}

#[tokio::test]
async fn a_mutation_lasts_as_long_as_its_handler_whatever_becomes_of_the_caller() {
    for item in [1, 2] {
        let app = App::new();
        let call = tokio::spawn({
            let app = app.clone();
            async move {
                match item {
                    1 => take(&app, "a", item).await,
                    _ => take_outside(&app, "a", item).await,
                }
            }
        });
        app.begun.acquire().await.unwrap().forget();
        call.abort();
        call.await.unwrap_err();
        // What is read now is stale as soon as the handler ends, so it may not be kept.
        assert_eq!(stock(&app, item).await, 0);
        app.may_end.add_permits(1);
        while app.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        assert_eq!(stock(&app, item).await, 1, "{item}");
    }
}

#[tokio::test]
async fn a_replay_ends_no_entry_below_and_needs_none() {
    let app = App::new();
    app.may_end.add_permits(2);
    take(&app, "b", 3).await.unwrap();
    stock(&app, 3).await;
    take(&app, "b", 3).await.unwrap();
    assert!(stock::peek(3).is_some());
}
