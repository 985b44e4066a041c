use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get(..))]
async fn change(id: u64) -> impl std::fmt::Display + Send {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(change(1).await.to_string(), "1");
    });
}
