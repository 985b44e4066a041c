use cache_core::cached_lru;

trait Users {
    #[cached_lru(skip(self))]
    async fn get(&self, id: u64) -> u64;
}

fn main() {}
