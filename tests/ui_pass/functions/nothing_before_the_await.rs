use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::cached_lru;

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached_lru]
async fn count(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed) + id
}

pub fn main() {
    futures::executor::block_on(async {
        drop(count(1));
        drop(count::refresh(1));
        drop(count::insert(1, 7));
        assert_eq!((LOADS.load(Ordering::Relaxed), count::stats().misses), (0, 0));
        assert_eq!(count::peek(1), None);

        count(1).await;
        drop(count::invalidate(1));
        drop(count::clear());
        assert_eq!(count::peek(1), Some(1));
    });
}
