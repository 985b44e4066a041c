use cache_core::{Cache, cached_in};

struct Users(Cache<u64, u64>, Box<u8>);

trait Repository {
    async fn get(&self, id: u64) -> u64;
}

impl Repository for Users {
    #[cached_in(self.0, detached)]
    async fn get(&self, id: u64) -> u64 {
        id + u64::from(*self.1)
    }
}

fn main() {}
