use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
async fn create<T>(app: &App, user: u64, key: &str, req: String) -> Result<T, IdempotencyError> {
    let _ = (app, user, key, req);
    todo!()
}

fn main() {}
