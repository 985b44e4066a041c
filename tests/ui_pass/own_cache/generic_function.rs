use cache_core::{Cache, Key, Value, cached_in};

#[cached_in(cache, key = id)]
async fn get<K: Key, V: Value, F: Fn(&K) -> V>(cache: &Cache<K, V>, id: K, load: F) -> V {
    load(&id)
}

pub fn main() {
    futures::executor::block_on(async {
        let cache = Cache::builder().build();
        assert_eq!(get(&cache, 1u8, |id| id + 1).await, 2);
        assert_eq!(get(&cache, 1u8, |id| id + 5).await, 2);
    });
}
