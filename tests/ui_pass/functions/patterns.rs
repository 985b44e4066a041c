use cache_core::cached_lru;

#[cached_lru]
async fn get((a, b): (u64, u64), _: u8, [c, ..]: [u64; 2], mut d: u64) -> u64 {
    d += a;
    d + b + c
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get((1, 2), 0, [3, 4], 5).await, 11);
        assert_eq!(get::peek((1, 2), 0, [3, 4], 5), Some(11));
    });
}
