use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

trait Create {
    #[idempotent(store = self.replay, key = key, scope = ("main", user), payload = req, name = "App::create")]
    async fn create(&self, user: u64, key: &str, req: String) -> Result<u64, IdempotencyError>;
}

fn main() {}
