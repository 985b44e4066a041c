//! The attribute `#[idempotent]`: what makes two calls one request, and what its companions tell.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome};
use cache_core::idempotent;
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct App {
    replay: IdempotencyStore<MemoryBackend>,
    orders: Arc<AtomicU64>,
}

impl App {
    fn new() -> Self {
        Self {
            replay: IdempotencyStore::new(MemoryBackend::new()),
            orders: Arc::default(),
        }
    }

    fn next(&self) -> u64 {
        self.orders.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn orders(&self) -> u64 {
        self.orders.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Serialize)]
struct CreateOrder {
    idempotency_key: String,
    item: String,
}

fn order(key: &str, item: &str) -> CreateOrder {
    CreateOrder {
        idempotency_key: key.to_owned(),
        item: item.to_owned(),
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    number: u64,
    item: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum OrderError {
    SoldOut,
    Busy,
    Refused(String),
}

impl From<IdempotencyError> for OrderError {
    fn from(error: IdempotencyError) -> Self {
        Self::Refused(format!("{error:?}"))
    }
}

impl OrderError {
    fn is_final(&self) -> bool {
        matches!(self, Self::SoldOut)
    }

    fn is_refusal(&self, why: &str) -> bool {
        matches!(self, Self::Refused(error) if error.starts_with(why))
    }
}

#[idempotent(store = app.replay, key = req.idempotency_key, scope = (tenant, principal), payload = req)]
async fn create_order(app: &App, tenant: &str, principal: &str, req: CreateOrder) -> Result<Receipt, OrderError> {
    Ok(Receipt {
        number: app.next(),
        item: req.item,
    })
}

#[tokio::test]
async fn a_repeat_gets_the_stored_reply_and_does_not_run() {
    let app = App::new();
    let first = create_order(&app, "acme", "ada", order("a", "shoes")).await.unwrap();
    let second = create_order(&app, "acme", "ada", order("a", "shoes")).await.unwrap();
    assert_eq!(first.item, "shoes");
    assert_eq!(first, second);
    assert_eq!(app.orders(), 1);
}

#[tokio::test]
async fn another_key_is_another_request() {
    let app = App::new();
    create_order(&app, "acme", "ada", order("a", "shoes")).await.unwrap();
    let other = create_order(&app, "acme", "ada", order("b", "shoes")).await.unwrap();
    assert_eq!(other.number, 2);
}

#[tokio::test]
async fn each_tenant_and_each_principal_has_keys_of_their_own() {
    let app = App::new();
    for (number, (tenant, principal)) in (1..).zip([("acme", "ada"), ("acme", "bob"), ("ada", "acme"), ("ac", "meada")])
    {
        let receipt = create_order(&app, tenant, principal, order("a", "shoes"))
            .await
            .unwrap();
        assert_eq!(receipt.number, number, "{tenant} {principal}");
    }
}

#[tokio::test]
async fn a_repeat_with_another_payload_is_a_conflict() {
    #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (item, *count), name = "buy")]
    async fn buy(app: &App, key: &str, item: String, count: &u32) -> Result<u64, IdempotencyError> {
        Ok(app.next())
    }
    let app = App::new();
    buy(&app, "a", "tea".to_owned(), &1).await.unwrap();
    for (item, count) in [("tea", 2), ("coffee", 1)] {
        let error = buy(&app, "a", item.to_owned(), &count).await.unwrap_err();
        assert!(matches!(error, IdempotencyError::Conflict { .. }), "{error}");
    }
    assert_eq!(buy(&app, "a", "tea".to_owned(), &1).await.unwrap(), 1);
    assert_eq!(buy::stats().conflicts, 2);
    assert_eq!(app.orders(), 1);
}

#[tokio::test]
async fn a_payload_of_nothing_compares_nothing() {
    #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (), name = "buy")]
    async fn buy(app: &App, key: &str, item: &str) -> Result<String, IdempotencyError> {
        app.next();
        Ok(item.to_owned())
    }
    let app = App::new();
    assert_eq!(buy(&app, "a", "tea").await.unwrap(), "tea");
    assert_eq!(buy(&app, "a", "coffee").await.unwrap(), "tea");
}

#[tokio::test]
async fn ignored_fields_are_not_compared() {
    #[derive(Clone, Serialize)]
    struct Meta {
        trace_id: u64,
        shop: u64,
    }
    #[derive(Clone, Serialize)]
    struct Buy {
        item: &'static str,
        sent_at: u64,
        meta: Meta,
    }
    #[idempotent(store = app.replay, key = "a", scope = ("main", 7), payload = req, ignore("sent_at", "meta.trace_id"), name = "buy")]
    async fn buy(app: &App, req: Buy) -> Result<u64, IdempotencyError> {
        Ok(app.next())
    }
    let app = App::new();
    let req = |sent_at, trace_id, shop| Buy {
        item: "tea",
        sent_at,
        meta: Meta { trace_id, shop },
    };
    buy(&app, req(1, 1, 1)).await.unwrap();
    assert_eq!(buy(&app, req(2, 2, 1)).await.unwrap(), 1);
    let error = buy(&app, req(1, 1, 2)).await.unwrap_err();
    assert!(matches!(error, IdempotencyError::Conflict { .. }), "{error}");
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = ())]
async fn with_optional_key(app: &App, user: u64, key: Option<&str>) -> Result<u64, IdempotencyError> {
    Ok(app.next())
}

#[tokio::test]
async fn without_a_key_it_runs_each_time_and_is_counted() {
    let app = App::new();
    for number in 1..=2 {
        let outcome = with_optional_key::outcome(&app, 7, None).await.unwrap();
        assert_eq!(outcome, Outcome::Fresh(number));
    }
    assert_eq!(with_optional_key(&app, 7, Some("a")).await.unwrap(), 3);
    assert_eq!(with_optional_key(&app, 7, Some("a")).await.unwrap(), 3);
    let stats = with_optional_key::stats();
    assert_eq!((stats.undeduplicated, stats.fresh, stats.replayed), (2, 1, 1));
}

#[tokio::test]
async fn a_bad_key_is_refused_before_anything_runs() {
    let app = App::new();
    for (key, why) in [
        (String::new(), "EmptyKey"),
        ("a\0b".to_owned(), "InvalidKey"),
        ("a".repeat(10_000), "KeyTooLong"),
    ] {
        let error = create_order(&app, "acme", "ada", order(&key, "shoes"))
            .await
            .unwrap_err();
        assert!(error.is_refusal(why), "{error:?}");
    }
    let error = create_order(&app, "acme\u{1e}", "ada", order("a", "shoes"))
        .await
        .unwrap_err();
    assert!(error.is_refusal("InvalidScope"), "{error:?}");
    let error = create_order(&app, "acme", "", order("a", "shoes")).await.unwrap_err();
    assert!(error.is_refusal("NoScope"), "{error:?}");
    assert_eq!(app.orders(), 0);
}

#[tokio::test]
async fn two_functions_share_no_keys() {
    #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (), name = "one")]
    async fn one(app: &App, key: &str) -> Result<u64, IdempotencyError> {
        Ok(app.next())
    }
    #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (), name = "another")]
    async fn another(app: &App, key: &str) -> Result<u64, IdempotencyError> {
        Ok(app.next())
    }
    let app = App::new();
    assert_eq!(one(&app, "a").await.unwrap(), 1);
    assert_eq!(another(&app, "a").await.unwrap(), 2);
    assert_eq!((one::stats().fresh, another::stats().fresh), (1, 1));
    assert_eq!(create_order::NAME, "idempotent_attribute::create_order");
}

#[tokio::test]
async fn a_name_outlives_the_function_that_had_it() {
    mod before {
        use super::{App, IdempotencyError, idempotent};
        #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (), name = "orders::create")]
        pub(super) async fn create(app: &App, key: &str) -> Result<u64, IdempotencyError> {
            Ok(app.next())
        }
    }
    #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (), name = "orders::create")]
    async fn create_anew(app: &App, key: &str) -> Result<u64, IdempotencyError> {
        Ok(app.next())
    }
    let app = App::new();
    assert_eq!(before::create(&app, "a").await.unwrap(), 1);
    assert_eq!(create_anew(&app, "a").await.unwrap(), 1);
    assert_eq!(create_anew::NAME, "orders::create");
}

#[tokio::test]
async fn errors_are_stored_if_the_rule_says_so() {
    #[idempotent(
        store = app.replay, key = item, scope = ("main", 7), payload = (), store_error = |error| error.is_final(), name = "by_closure"
    )]
    async fn by_closure(app: &App, item: &str) -> Result<u64, OrderError> {
        app.next();
        Err(if item == "unicorn" {
            OrderError::SoldOut
        } else {
            OrderError::Busy
        })
    }
    #[idempotent(
        store = app.replay, key = item, scope = ("main", 7), payload = (), store_error = OrderError::is_final, name = "by_path"
    )]
    async fn by_path(app: &App, item: &str) -> Result<u64, OrderError> {
        app.next();
        Err(if item == "unicorn" {
            OrderError::SoldOut
        } else {
            OrderError::Busy
        })
    }
    #[idempotent(store = app.replay, key = item, scope = ("main", 7), payload = (), name = "not_at_all")]
    async fn not_at_all(app: &App, item: &str) -> Result<u64, OrderError> {
        app.next();
        Err(OrderError::SoldOut)
    }
    let app = App::new();
    for _ in 0..2 {
        assert!(by_closure(&app, "unicorn").await.unwrap_err().is_final());
        assert!(by_path(&app, "unicorn").await.unwrap_err().is_final());
    }
    assert_eq!(app.orders(), 2);
    for _ in 0..2 {
        assert!(!by_closure(&app, "shoes").await.unwrap_err().is_final());
        assert!(!by_path(&app, "shoes").await.unwrap_err().is_final());
        assert!(not_at_all(&app, "shoes").await.unwrap_err().is_final());
    }
    assert_eq!(app.orders(), 8);
}

#[tokio::test]
async fn companions_tell_what_happened() {
    #[idempotent(store = app.replay, key = key, scope = ("main", 7), payload = (), name = "buy")]
    async fn buy(app: &App, key: &str) -> Result<u64, IdempotencyError> {
        Ok(app.next())
    }
    let app = App::new();
    assert_eq!(buy::outcome(&app, "a").await.unwrap(), Outcome::Fresh(1));
    assert_eq!(buy::outcome(&app, "a").await.unwrap(), Outcome::Replayed(1));
    assert_eq!(buy::unguarded(&app, "a").await.unwrap(), 2);
    assert_eq!(buy(&app, "a").await.unwrap(), 1);
    let stats = buy::stats();
    assert_eq!((stats.fresh, stats.replayed), (1, 2));
    assert_eq!(app.replay.stats(), stats);
}

static REPLAY: LazyLock<IdempotencyStore> = LazyLock::new(|| IdempotencyStore::new(MemoryBackend::new()));

fn replay() -> &'static IdempotencyStore {
    &REPLAY
}

#[tokio::test]
async fn the_store_can_be_anywhere() {
    #[idempotent(store = REPLAY, key = key, scope = ("main", 7), payload = (), name = "of_static")]
    async fn of_static(key: &str) -> Result<u64, IdempotencyError> {
        Ok(1)
    }
    #[idempotent(store = replay(), key = key, scope = ("main", 7), payload = (), name = "of_static")]
    async fn of_function(key: &str) -> Result<u64, IdempotencyError> {
        Ok(2)
    }
    #[idempotent(store = shared, key = key, scope = ("main", 7), payload = (), name = "of_static")]
    async fn of_arc(shared: Arc<IdempotencyStore>, key: &str) -> Result<u64, IdempotencyError> {
        Ok(3)
    }
    #[idempotent(store = shared, key = key, scope = ("main", 7), payload = (), name = "of_static")]
    async fn of_reference(shared: &IdempotencyStore, key: &str) -> Result<u64, IdempotencyError> {
        Ok(4)
    }
    of_static("a").await.unwrap();
    assert_eq!(of_function("a").await.unwrap(), 1);
    assert_eq!(of_arc(Arc::new(REPLAY.clone()), "a").await.unwrap(), 1);
    assert_eq!(of_reference(&REPLAY, "a").await.unwrap(), 1);
}
