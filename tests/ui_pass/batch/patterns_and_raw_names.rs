use std::collections::HashMap;

use cache_core::cached_batch;

#[cached_batch(window = "0ms", skip(r#in))]
async fn r#match(r#in: u64, mut r#type: Vec<u64>) -> Result<HashMap<u64, u64>, String> {
    r#type.sort_unstable();
    Ok(r#type.into_iter().map(|id| (id, id + r#in)).collect())
}

#[cached_batch(window = "0ms")]
async fn first(&[ref ids @ ..]: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, 1)).collect())
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(r#match(10, 1).await, Ok(Some(11)));
        assert_eq!(r#match::many(10, [2]).await.unwrap()[&2], 12);
        assert_eq!(r#match::uncached(1, vec![1]).await.unwrap().len(), 1);
        assert_eq!(first(7).await, Ok(Some(1)));
    });
}
