use cache_core::{Cache, cached_in};

struct Users {
    cache: Cache<u64, u64>,
}

impl Users {
    #[cached_in(self.cache)]
    async fn get(&self, id: u32) -> u64 {
        u64::from(id)
    }
}

fn main() {}
