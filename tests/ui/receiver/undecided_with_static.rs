use cache_core::{Cache, cached_in};

static USERS: std::sync::LazyLock<Cache<u64, u64>> = std::sync::LazyLock::new(|| Cache::builder().build());

struct Users;

impl Users {
    #[cached_in(USERS)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
