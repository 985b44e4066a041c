use cache_core::cached_lru;

#[cached_lru(key = 7u8)]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
        assert_eq!(get(2).await, 1);
        assert_eq!(get::peek(), Some(1));
    });
}
