use cache_core::{cached_in, cached_lru, invalidates};

struct Users;

static OWN: std::sync::LazyLock<cache_core::Cache<u64, u64>> =
    std::sync::LazyLock::new(|| cache_core::Cache::builder().build());

impl Users {
    #[cached_lru]
    async fn load(id: u64) -> u64 {
        id
    }

    #[cached_in(OWN)]
    async fn own(id: u64) -> u64 {
        id
    }

    #[invalidates(Users::load(id), OWN(id))]
    async fn change(id: u64) {}
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(Users::load(1).await + Users::own(1).await, 2);
        assert_eq!((Users::load_cache().len(), OWN.len()), (1, 1));
        Users::change(1).await;
        assert_eq!((Users::load_cache().len(), OWN.len()), (0, 0));
    });
}
