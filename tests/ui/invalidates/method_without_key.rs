use cache_core::{cached_lru, invalidates};

struct Users;

impl Users {
    #[cached_lru(skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(Self::get)]
    async fn rename(&self, user: u64) {
        let _ = user;
    }
}

fn main() {}
