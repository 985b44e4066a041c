use cache_core::cached_lru;

struct Shop {
    id: u64,
}

impl Shop {
    #[cached_lru(skip(self), tags("shop:{self.id}"))]
    async fn get(&self, id: u64) -> u64 {
        id + self.id
    }
}

fn main() {}
