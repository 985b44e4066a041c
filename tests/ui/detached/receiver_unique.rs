use cache_core::cached_lru;

struct Users;

impl Users {
    #[cached_lru(detached, skip(self))]
    async fn get(&mut self, id: u64) -> u64 {
        id
    }
}

fn main() {}
