use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

trait Create {
    async fn create(&self, user: u64, key: &str, req: String) -> Result<u64, IdempotencyError>;
}

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

impl Create for App {
    #[idempotent(store = self.replay, key = key, scope = ("main", user), payload = req, name = "App::create")]
    async fn create(&self, user: u64, key: &str, req: String) -> Result<u64, IdempotencyError> {
        let _ = (user, key, req);
        Ok(1)
    }
}

fn main() {}
