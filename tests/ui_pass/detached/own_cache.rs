use std::fmt::Display;
use std::sync::Arc;

use cache_core::{Cache, Key, Value, cached_in};

#[derive(Clone)]
struct Users<T> {
    cache: Cache<u64, String>,
    of: T,
}

trait Repository {
    fn get(&self, id: u64, name: &str) -> impl Future<Output = Result<String, String>> + Send;
}

impl<T: Display + Clone + Send + Sync + 'static> Repository for Users<T> {
    #[cached_in(self.cache, detached, key = id, tags("users", "user:{id}"), cache_if = |name| !name.is_empty())]
    async fn get(&self, id: u64, name: &str) -> Result<String, String> {
        if id == 0 {
            return Err(name.to_owned());
        }
        let shown = || self.of.to_string();
        Ok(format!("{name}{}{id}", shown()))
    }
}

// Only what the body names goes along.
struct Lent<'a>(&'a Cache<u64, u64>);

impl Lent<'_> {
    #[cached_in(self.0, detached)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

#[cached_in(app.1, detached, key = id)]
async fn of_an_argument(app: Arc<(u64, Cache<u64, u64>)>, id: u64) -> u64 {
    app.0 + id
}

#[cached_in(cache, detached, key = id)]
async fn generic<K: Key, V: Value, F: Fn(&K) -> V + Send + Sync + 'static>(cache: &Cache<K, V>, id: K, load: F) -> V {
    load(&id)
}

pub fn main() {
    futures::executor::block_on(async {
        let users = Users {
            cache: Cache::builder().build(),
            of: 'x',
        };
        assert_eq!(users.get(1, "a").await, Ok("ax1".into()));
        assert!(users.get(0, "a").await.is_err());
        assert_eq!(cache_core::invalidate_tag("user:1").await, 1);
        let cache = Cache::builder().build();
        assert_eq!(Lent(&cache).get(1).await, 1);
        assert_eq!(of_an_argument(Arc::new((1, cache.clone())), 2).await, 3);
        assert_eq!(generic(&cache, 3, |id| id + 1).await, 4);
        assert_eq!(cache.len(), 3);
    });
}
