use cache_core::cached_lru;

#[cached_lru(skip(make))]
async fn get(make: impl Fn() -> u64 + Send, id: u64) -> u64 {
    make() + id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(|| 1, 2).await, 3);
        assert_eq!(get(|| 5, 2).await, 3);
    });
}
