use cache_core::{Cache, cached_in};

trait Repository {
    fn get(&self, id: u64, name: &str) -> impl Future<Output = Result<String, String>> + Send;
}

struct Users {
    cache: Cache<(u64, String), String>,
}

impl Repository for Users {
    #[cached_in(self.cache, cache_if = |name| !name.is_empty())]
    async fn get(&self, id: u64, name: &str) -> Result<String, String> {
        if id == 0 {
            return Err(name.to_owned());
        }
        Ok(format!("{name}{id}"))
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let users = Users {
            cache: Cache::builder().build(),
        };
        assert_eq!(users.get(1, "a").await, Ok("a1".into()));
        assert!(users.get(0, "a").await.is_err());
        assert_eq!(users.cache.len(), 1);
    });
}
