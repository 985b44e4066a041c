use cache_core::{Cache, cached_in};

struct Shop {
    carts: Cache<u64, u64>,
}

impl Shop {
    #[cached_in(self.carts, skip(region), tags("shop:{region}"))]
    async fn get(&self, id: u64, region: &str) -> u64 {
        id + region.len() as u64
    }
}

fn main() {}
