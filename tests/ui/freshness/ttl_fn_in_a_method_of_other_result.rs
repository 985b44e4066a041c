use cache_core::cached_ttl;

struct Users;

impl Users {
    #[cached_ttl(ttl_fn = |value| *value, skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
