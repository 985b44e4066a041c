use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
struct Create;

fn main() {}
