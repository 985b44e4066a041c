use cache_core::idempotency::IdempotencyStore;
use cache_core::idempotent;

type Created = u64;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
async fn create(app: &App, user: u64, key: &str, req: String) -> Created {
    let _ = (app, user, key, req);
    1
}

fn main() {}
