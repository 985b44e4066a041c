mod inner {
    use std::collections::HashMap;

    use cache_core::{cached_batch, cached_ttl};

    #[cached_batch(window = "0ms")]
    pub(super) async fn seen(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        Ok(ids.iter().map(|id| (*id, 1)).collect())
    }

    #[cfg(any())]
    #[cached_batch]
    pub async fn absent(ids: &[u64]) -> Result<HashMap<u64, u64>, Missing> {
        unreachable!()
    }

    #[allow(dead_code)]
    #[cfg(all())]
    #[cached_batch(window = "0ms")]
    async fn unused(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        Ok(ids.iter().map(|id| (*id, 1)).collect())
    }

    #[cached_ttl]
    pub(super) async fn through(id: u64) -> Result<Option<u64>, String> {
        seen(id).await
    }
}

use inner::seen;

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(seen(1).await, Ok(Some(1)));
        assert_eq!(seen::many([1]).await.unwrap().len(), 1);
        assert_eq!(inner::through(2).await, Ok(Some(1)));
    });
}
