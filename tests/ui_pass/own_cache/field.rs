use cache_core::{Cache, cached_in, invalidates};

struct Users {
    cache: Cache<u64, u64>,
}

impl Users {
    #[cached_in(self.cache)]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.cache(id))]
    async fn change(&self, id: u64) {}

    #[invalidates(self.cache(..))]
    async fn change_all(&mut self) {}
}

pub fn main() {
    futures::executor::block_on(async {
        let mut users = Users {
            cache: Cache::builder().build(),
        };
        users.get(1).await;
        users.get(2).await;
        users.change(1).await;
        assert_eq!(users.cache.len(), 1);
        users.change_all().await;
        assert!(users.cache.is_empty());
    });
}
