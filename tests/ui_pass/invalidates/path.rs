use cache_core::invalidates;

mod db {
    pub mod users {
        #[cache_core::cached_lru]
        pub async fn get(id: u64) -> u64 {
            id
        }
    }
}

#[invalidates(db::users::get(id), self::db::users::get)]
async fn change(id: u64) {}

pub fn main() {
    futures::executor::block_on(async {
        db::users::get(1).await;
        change(1).await;
        assert_eq!(db::users::get::peek(1), None);
    });
}
