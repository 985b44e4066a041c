use cache_core::cached_lru;

#[cached_lru(ttl = "500ms", tti = "1d")]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
    });
}
