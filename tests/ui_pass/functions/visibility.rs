mod users {
    use cache_core::{cached_lru, cached_ttl};

    #[cached_lru]
    pub(crate) async fn one(id: u64) -> u64 {
        id
    }

    #[cached_ttl]
    pub(super) async fn two(id: u64) -> u64 {
        id
    }
}

use users::{one, two};

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(one(1).await + two(1).await, 2);
        assert!(one::invalidate(1).await && two::invalidate(1).await);
    });
}
