use cache_core::{Cache, cached_in};

struct Users(Cache<u64, u64>);

impl Users {
    #[cached_in(self.0, refresh_ahead = 0.8)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
