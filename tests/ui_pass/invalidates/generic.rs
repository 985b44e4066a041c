use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get(id, region))]
async fn change<'a, T: Send + 'a>(id: u64, region: &'a str, value: T, f: impl Fn(T) -> u64) -> u64 {
    f(value) + id
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        assert_eq!(change(1, "eu", 5u8, u64::from).await, 6);
        assert_eq!(get::peek(1, "eu"), None);
    });
}
