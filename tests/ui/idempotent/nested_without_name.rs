use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

fn outer() {
    #[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
    async fn create(app: &App, user: u64, key: &str, req: String) -> Result<u64, IdempotencyError> {
        let _ = (app, user, key, req);
        Ok(1)
    }
    let _ = create;
}

fn main() {}
