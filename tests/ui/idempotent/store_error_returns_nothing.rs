use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderError;

impl From<IdempotencyError> for OrderError {
    fn from(_: IdempotencyError) -> Self {
        Self
    }
}

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req, store_error = |_| {})]
async fn create(app: &App, user: u64, key: &str, req: String) -> Result<u64, OrderError> {
    let _ = (app, user, key, req);
    Ok(1)
}

fn main() {}
