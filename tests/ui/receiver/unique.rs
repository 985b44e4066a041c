use cache_core::cached_lru;

struct Users {
    tenant: u64,
}

impl Users {
    #[cached_lru(key = (self.tenant, id))]
    async fn get(&mut self, id: u64) -> u64 {
        self.tenant += 1;
        id
    }
}

fn main() {}
