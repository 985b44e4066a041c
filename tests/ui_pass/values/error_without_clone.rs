use cache_core::cached_lru;

struct NotClone;

#[cached_lru]
async fn get(id: u64) -> Result<std::sync::Arc<[u64]>, NotClone> {
    if id == 0 {
        return Err(NotClone);
    }
    Ok(vec![id].into())
}

pub fn main() {
    futures::executor::block_on(async {
        assert!(get(0).await.is_err());
        assert!(get(1).await.is_ok());
        assert_eq!(get::stats().len, 1);
    });
}
