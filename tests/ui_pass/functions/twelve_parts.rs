use cache_core::cached_lru;

#[cached_lru]
async fn get(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8) -> u8 {
    a + b + c + d + e + f + g + h + i + j + k + l
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).await, 12);
    });
}
