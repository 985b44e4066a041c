use cache_core::{Cache, cached_in};

struct Users {
    cache: Cache<u64, u64>,
}

impl Users {
    #[cached_in(self.cache, sikp(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
