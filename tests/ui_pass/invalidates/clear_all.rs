use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get, clear_all)]
async fn a() {}

#[invalidates(get, clear_all = true)]
async fn b() {}

#[invalidates(get(..))]
async fn c() {}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        a().await;
        assert_eq!(get::stats().len, 0);
        get(1, "eu").await;
        b().await;
        assert_eq!(get::stats().len, 0);
        get(1, "eu").await;
        c().await;
        assert_eq!(get::stats().len, 0);
    });
}
