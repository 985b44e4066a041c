use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(key: u64, cache: u64, miss: u64, hit: u64, value: u64, kind: u64, guards: u64, arguments: u64) -> u64 {
    key + cache + miss + hit + value + kind + guards + arguments
}

#[invalidates(get)]
async fn change(key: u64, cache: u64, miss: u64, hit: u64, value: u64, kind: u64, guards: u64, arguments: u64) -> u64 {
    let outcome = guards + arguments;
    outcome
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1, 1, 1, 1, 1, 1, 1, 1).await, 8);
        assert_eq!(change(1, 1, 1, 1, 1, 1, 1, 1).await, 2);
        assert_eq!(get::stats().len, 0);
    });
}
