use cache_core::cached_lru;

/// Documented.
#[must_use]
#[inline]
#[cached_lru]
#[allow(clippy::let_and_return)]
/// Also here.
pub async fn get(id: u64) -> u64 {
    let value = id;
    value
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
    });
}
