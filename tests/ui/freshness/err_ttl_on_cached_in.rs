use cache_core::{Cache, cached_in};

struct Users(Cache<u64, u64>);

impl Users {
    #[cached_in(self.0, err_ttl = "1s")]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
