use cache_core::{Cache, cached_in};

#[derive(Clone)]
struct Users(Cache<u64, u64>, u64);

impl Users {
    #[cached_in(self.0, detached, cache_if = |value| *value < self.1)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
