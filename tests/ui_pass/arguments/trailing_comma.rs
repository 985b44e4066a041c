use cache_core::cached_lru;

#[cached_lru(max_size = 5, ttl = "5s")]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
    });
}
