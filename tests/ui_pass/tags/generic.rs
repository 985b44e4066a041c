use std::fmt::{Debug, Display};
use std::hash::Hash;

use cache_core::{Cache, cached_in, cached_lru, invalidates};

struct Table<T>(T);

impl<T: Display + Clone + Eq + Hash + Send + Sync + 'static> Table<T> {
    #[cached_lru(skip(self), tags("generic:{id}"), tag_fn = |value| [format!("generic:{value}!")])]
    async fn get(&self, id: &str) -> String {
        id.to_owned()
    }

    #[cached_lru(key = (self.0.clone(), id), tags("generic:{self.0}:{id}"))]
    async fn own(&self, id: u64) -> u64 {
        id
    }
}

#[cached_lru(skip(shown), tags("generic:{id}"))]
async fn skipped<S: Display>(shown: S, id: u64) -> String {
    format!("{shown}{id}")
}

#[cached_in(cache, key = id, tags("generic:{id:?}"), tag_fn = |value| value.as_ref().map(ToString::to_string))]
async fn own<K, V>(cache: &Cache<K, Option<V>>, id: K, value: V) -> Option<V>
where
    K: Debug + Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Display + Send + Sync + 'static,
{
    let _ = id;
    Some(value)
}

#[invalidates(tag = "generic:{id}", tag = "generic:{other}")]
async fn change<D: Display>(id: D, other: impl Display, n: &impl Sized) -> D {
    let _ = (other, n);
    id
}

pub fn main() {
    futures::executor::block_on(async {
        let table = Table("a");
        table.get("b").await;
        table.own(1).await;
        skipped("x", 1).await;
        let cache = Cache::builder().build();
        own(&cache, "k", 7).await;
        assert_eq!(change(1, "b", &()).await, 1);
        assert_eq!(Table::<&str>::get_cache().len(), 0);
        assert_eq!(skipped::stats().len, 0);
        assert_eq!(cache_core::invalidate_tag("generic:a:1").await, 1);
        assert_eq!(cache_core::invalidate_tag("generic:\"k\"").await, 1);
    });
}
