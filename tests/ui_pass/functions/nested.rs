use cache_core::cached_lru;

pub fn main() {
    futures::executor::block_on(async {
        #[cached_lru]
        async fn get(id: u64) -> u64 {
            id
        }
        get(1).await;
        assert_eq!(get::peek(1), Some(1));
    });
}
