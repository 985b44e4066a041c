use std::collections::HashMap;
use std::sync::Arc;

use cache_core::cached_batch;

#[cached_batch(window = "0ms", skip(pool))]
async fn get(pool: &Arc<u64>, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, **pool)).collect())
}

fn is_send<T: Send>(it: T) -> T {
    it
}

pub fn main() {
    let pool = Arc::new(7);
    futures::executor::block_on(async {
        assert_eq!(is_send(get(&pool, 1)).await, Ok(Some(7)));
        assert_eq!(is_send(get::many(&pool, vec![1, 2])).await.unwrap().len(), 2);
        assert_eq!(is_send(get::refresh(&pool, 1)).await, Ok(Some(7)));
    });
}
