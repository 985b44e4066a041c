use cache_core::{Cache, cached_in};

struct Users(Cache<u64, u64>);

impl Users {
    #[cached_in(self.0, stale_while_revalidate = "30s")]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
