use cache_core::cached_lru;

#[cached_lru(skip(of))]
async fn get<T: Into<u64> + Send, const N: usize>(of: [T; N], id: u64) -> u64
where
    T: Copy,
{
    id + N as u64 + of[0].into()
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get([1u32, 2], 3).await, 6);
    });
}
