use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

use std::rc::Rc;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
async fn create(app: &App, user: u64, key: &str, req: String, more: Rc<u64>) -> Result<u64, IdempotencyError> {
    let _ = (app, user, key, req, more);
    Ok(1)
}

fn main() {}
