use cache_core::cached_lru;

#[cached_lru(unbounded)]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        for id in 0..500 {
            get(id).await;
        }
        assert_eq!(get::stats().len, 500);
    });
}
