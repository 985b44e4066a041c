use cache_core::{Cache, cached_in};

struct Shop(Cache<u64, u64>, u64);

impl Shop {
    #[cached_in(self.0, tag_fn = |_| [self.1.to_string()])]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
