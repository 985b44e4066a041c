use cache_core::idempotency::IdempotencyStore;
use cache_core::idempotent;

struct Receipt;

struct OrderError;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
async fn create(app: &App, user: u64, key: &str, req: String) -> Result<Receipt, OrderError> {
    let _ = (app, user, key, req);
    Ok(Receipt)
}

fn main() {}
