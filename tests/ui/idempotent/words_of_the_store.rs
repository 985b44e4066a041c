use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req, ttl = "1h", lease = "10s", wait = "5s", max_key_len = 64, max_response_bytes = 1_000, on_abandoned = "rerun")]
async fn create(app: &App, user: u64, key: &str, req: String) -> Result<u64, IdempotencyError> {
    let _ = (app, user, key, req);
    Ok(1)
}

fn main() {}
