use cache_core::cached_lru;

use std::sync::Arc;

#[derive(Clone, Copy)]
struct Users;

impl Users {
    #[cached_lru(skip(self))]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        id
    }

    #[cached_lru(skip(self))]
    async fn by_value(self, id: u64) -> u64 {
        id
    }

    #[cached_lru(skip(self))]
    async fn by_unique(&mut self, id: u64) -> u64 {
        id
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let mut users = Users;
        assert_eq!(
            Arc::new(users).by_arc(1).await + users.by_value(1).await + users.by_unique(1).await,
            3
        );
        assert_eq!(Users::by_arc_cache().len(), 1);
    });
}
