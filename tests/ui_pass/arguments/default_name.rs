mod users {
    #[cache_core::cached_lru]
    pub async fn get(id: u64) -> u64 {
        id
    }
}

pub fn main() {
    futures::executor::block_on(async {
        assert!(users::get::cache().name().ends_with("::users::get"));
    });
}
