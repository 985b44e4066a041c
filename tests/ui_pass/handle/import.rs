mod db {
    #[cache_core::cached_lru]
    pub async fn get(id: u64) -> u64 {
        id
    }
}

use db::get as load;

pub fn main() {
    futures::executor::block_on(async {
        load(1).await;
        assert_eq!(load::peek(1), Some(1));
    });
}
