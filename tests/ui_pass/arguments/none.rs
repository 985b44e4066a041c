use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
    });
}
