use cache_core::{Cache, cached_in};

struct Shop(Cache<u64, u64>, u64);

impl Shop {
    #[cached_in(self.0, tag_fn = |value| value + 1)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
