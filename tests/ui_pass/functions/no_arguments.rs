use cache_core::cached_lru;

#[cached_lru]
async fn get() -> Vec<u64> {
    vec![1]
}

pub fn main() {
    futures::executor::block_on(async {
        get().await;
        assert_eq!(get::peek(), Some(vec![1]));
    });
}
