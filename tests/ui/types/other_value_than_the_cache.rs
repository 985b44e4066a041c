use cache_core::{Cache, cached_in};

struct Users {
    cache: Cache<u64, String>,
}

impl Users {
    #[cached_in(self.cache)]
    async fn get(&self, id: u64) -> Result<u64, String> {
        Ok(id)
    }
}

fn main() {}
