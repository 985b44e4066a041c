use cache_core::cached_lru;

#[cached_lru(key = b)]
async fn get((a, b): (u64, u64), _: f64) -> u64 {
    a + b
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get((1, 2), 0.5).await, 3);
        assert_eq!(get((9, 2), 1.5).await, 3);
    });
}
