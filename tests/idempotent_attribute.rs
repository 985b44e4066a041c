//! The attribute `#[idempotent]`: what it keys by, what it lets run, and what its companions tell.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
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
}

#[derive(Clone, Serialize)]
struct CreateOrder {
    idempotency_key: String,
    item: String,
}

impl CreateOrder {
    fn new(key: &str, item: &str) -> Self {
        Self {
            idempotency_key: key.to_owned(),
            item: item.to_owned(),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    number: u64,
    item: String,
}

#[derive(Debug)]
enum OrderError {
    SoldOut,
    Refused(IdempotencyError),
}

impl From<IdempotencyError> for OrderError {
    fn from(error: IdempotencyError) -> Self {
        Self::Refused(error)
    }
}

#[idempotent(store = app.replay, key = req.idempotency_key, scope = (tenant, principal), payload = req)]
async fn create_order(app: &App, tenant: &str, principal: &str, req: CreateOrder) -> Result<Receipt, OrderError> {
    tokio::task::yield_now().await;
    if req.item == "unicorn" {
        return Err(OrderError::SoldOut);
    }
    let _ = (tenant, principal);
    Ok(Receipt {
        number: app.next(),
        item: req.item,
    })
}

#[tokio::test]
async fn a_repeat_gets_the_stored_reply_and_does_not_run() {
    let app = App::new();
    let order = || CreateOrder::new("a", "shoes");
    let first = create_order(&app, "acme", "ada", order()).await.unwrap();
    let second = create_order(&app, "acme", "ada", order()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(app.orders.load(Ordering::SeqCst), 1);
    let outcome = create_order::outcome(&app, "acme", "ada", order()).await.unwrap();
    assert_eq!(outcome, Outcome::Replayed(first));
    assert_eq!(create_order::NAME, "idempotent_attribute::create_order");
}

struct Orders {
    app: App,
}

impl Orders {
    #[idempotent(store = self.app.replay, key = key, scope = ("main", user), payload = (item, count), name = "Orders::create")]
    async fn create(
        self: Arc<Self>,
        key: Option<&str>,
        user: u64,
        item: String,
        mut count: u32,
    ) -> Result<u64, OrderError> {
        count += 1;
        let _ = (key, user, item, count);
        Ok(self.app.next())
    }
}

#[tokio::test]
async fn a_method_is_idempotent() {
    let orders = Arc::new(Orders { app: App::new() });
    let one = Arc::clone(&orders)
        .create(Some("a"), 1, "tea".to_owned(), 1)
        .await
        .unwrap();
    let other = Arc::clone(&orders)
        .create_outcome(Some("a"), 1, "tea".to_owned(), 1)
        .await
        .unwrap();
    assert_eq!((one, other), (1, Outcome::Replayed(1)));
    assert_eq!(Orders::create_stats().replayed, 1);
}
