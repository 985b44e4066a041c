use cache_core::cached_lru;

#[cached_lru(max_size = 0)]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await;
        assert_eq!(get::peek(1), None);
    });
}
