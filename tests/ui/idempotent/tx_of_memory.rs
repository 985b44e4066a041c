use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req, tx = tx)]
async fn create(app: &App, user: u64, key: &str, req: String, tx: &mut sqlx::Transaction<'_, sqlx::Postgres>) -> Result<u64, IdempotencyError> {
    let _ = (app, user, key, req, tx);
    Ok(1)
}

fn main() {}
