use cache_core::cached_lru;

trait Repository {
    async fn get(&self, id: u64) -> u64;
}

struct Users;

impl Repository for Users {
    #[cached_lru(skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
