use cache_core::cached_lru;

struct Users;

impl Users {
    #[cached_lru(skip(self))]
    pub async fn get(&self, id: u64) -> u64 {
        id
    }
}

pub fn main() {
    futures::executor::block_on(async {
        Users.get(1).await;
        assert_eq!(Users::get_cache().peek(&1), Some(1));
        assert!(Users::get_cache().name().ends_with("Users::get"));
        assert_eq!(Users.get_uncached(2).await, 2);
    });
}
