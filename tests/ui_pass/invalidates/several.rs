use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[cached_lru]
async fn list() -> u64 {
    1
}

#[invalidates(get, key_fn = |id| (*id, "eu"), list())]
#[invalidates(get(id + 1, "us"))]
async fn change(id: u64) -> Result<(), String> {
    Err("failed".into())
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        get(2, "us").await;
        list().await;
        assert!(change(1).await.is_err());
        assert_eq!(get::stats().len + list::stats().len, 0);
    });
}
