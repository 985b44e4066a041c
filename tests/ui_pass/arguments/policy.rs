use cache_core::cached_lru;

#[cached_lru(policy = "tiny_lfu")]
async fn get(id: u64) -> u64 {
    id
}

#[cached_lru(policy = "lru")]
async fn other(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await;
        other(1).await;
        assert_eq!(get::peek(1), Some(1));
    });
}
