use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

struct Id(u64);

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = id, scope = ("main", user), payload = req)]
async fn create(app: &App, user: u64, id: Id, req: String) -> Result<u64, IdempotencyError> {
    let _ = (app, user, id, req);
    Ok(1)
}

fn main() {}
