use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> Option<u64> {
    id.checked_sub(1)
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(0).await, None);
        assert_eq!(get::peek(0), Some(None));
    });
}
