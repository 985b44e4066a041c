mod vendored {
    pub use cache_core as cache;
}

#[vendored::cache::cached_lru(crate = self::vendored::cache)]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
    });
}
