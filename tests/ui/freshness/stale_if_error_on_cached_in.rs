use cache_core::{Cache, cached_in};

struct Users(Cache<u64, u64>);

impl Users {
    #[cached_in(self.0, stale_if_error = "5m")]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
