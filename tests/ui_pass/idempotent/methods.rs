use std::rc::Rc;
use std::sync::Arc;

use cache_core::idempotency::{Backend, IdempotencyError, IdempotencyStore, MemoryBackend, Outcome};
use cache_core::idempotent;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[derive(Clone)]
struct Orders {
    replay: IdempotencyStore,
    id: u64,
}

impl Orders {
    #[idempotent(store = self.replay, key = key, scope = ("main", self.id), payload = (), name = "Orders::lent")]
    pub async fn lent(&self, key: &str) -> Result<u64, IdempotencyError> {
        Ok(self.id)
    }

    #[idempotent(store = self.replay, key = key, scope = ("main", self.id), payload = (), name = "Orders::shared")]
    async fn shared(self: Arc<Self>, key: &str) -> Result<u64, IdempotencyError> {
        Ok(self.id + 1)
    }

    #[idempotent(store = self.replay, key = key, scope = ("main", self.id), payload = (), name = "Orders::lent_shared")]
    async fn lent_shared(self: &Arc<Self>, key: &str) -> Result<u64, IdempotencyError> {
        Ok(self.id + 2)
    }

    #[idempotent(store = self.replay, key = key, scope = ("main", self.id), payload = (), name = "Orders::given")]
    async fn given(mut self, key: &str) -> Result<u64, IdempotencyError> {
        self.id += 3;
        Ok(self.id)
    }

    #[idempotent(store = replay, key = key, scope = ("main", 1), payload = (), name = "Orders::of")]
    async fn of(replay: &IdempotencyStore, key: &str) -> Result<u64, IdempotencyError> {
        Ok(4)
    }

    #[idempotent(store = orders.replay, key = key, scope = ("main", 1), payload = (), name = "Orders::of_self")]
    async fn of_self(orders: Self, key: &str) -> Result<u64, IdempotencyError> {
        Ok(orders.id + 5)
    }
}

#[derive(Clone)]
struct Service<B, T>(IdempotencyStore<B>, T);

impl<B: Backend + Clone, T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Service<B, T> {
    #[idempotent(store = self.0, key = key, scope = ("main", 1), payload = self.1, name = "Service::get")]
    async fn get(&self, key: &str) -> Result<T, IdempotencyError> {
        Ok(self.1.clone())
    }
}

// What the trait asks for is done beside it.
trait Create {
    async fn create(&self, key: &str) -> Result<u64, IdempotencyError>;
}

impl Create for Rc<Orders> {
    async fn create(&self, key: &str) -> Result<u64, IdempotencyError> {
        self.lent(key).await
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let orders = Orders {
            replay: IdempotencyStore::new(MemoryBackend::new()),
            id: 1,
        };
        assert_eq!(Rc::new(orders.clone()).create("a").await.unwrap(), 1);
        assert_eq!(orders.lent_outcome("a").await.unwrap(), Outcome::Replayed(1));
        assert_eq!(orders.lent_unguarded("a").await.unwrap(), 1);
        assert_eq!(Orders::lent_stats().fresh, 1);
        assert_eq!(Orders::LENT_NAME, "Orders::lent");
        let shared = Arc::new(orders.clone());
        assert_eq!(shared.lent_shared("a").await.unwrap(), 3);
        assert_eq!(shared.shared("a").await.unwrap(), 2);
        assert_eq!(Orders::of(&orders.replay, "a").await.unwrap(), 4);
        assert_eq!(Orders::of_self(orders.clone(), "a").await.unwrap(), 6);
        assert_eq!(orders.clone().given("a").await.unwrap(), 4);
        assert_eq!(Service(orders.replay, 'x').get("a").await.unwrap(), 'x');
    });
}
