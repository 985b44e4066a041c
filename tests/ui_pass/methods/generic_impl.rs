use cache_core::cached_lru;

struct Of<T>(T);

impl<T: Copy + Into<u64>> Of<T> {
    #[cached_lru(skip(self))]
    async fn size(&self, times: u64) -> u64 {
        times * std::mem::size_of::<T>() as u64
    }
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!((Of(1u8).size(3).await, Of(1u32).size(3).await), (3, 12));
    });
}
