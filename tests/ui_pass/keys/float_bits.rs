use cache_core::cached_lru;

#[cached_lru(key = x.to_bits())]
async fn get(x: f64) -> u64 {
    x as u64
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(2.5).await, 2);
        assert_eq!(get::peek(2.5), Some(2));
    });
}
