use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

impl App {
    #[idempotent(store = self.replay, key = key, scope = ("main", user), payload = req, name = "App::create")]
    async fn create(&mut self, user: u64, key: &str, req: String) -> Result<u64, IdempotencyError> {
        let _ = (user, key, req);
        Ok(1)
    }
}

fn main() {}
