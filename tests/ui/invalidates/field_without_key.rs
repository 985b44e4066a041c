use cache_core::{Cache, invalidates};

struct Items {
    cache: Cache<u64, u64>,
}

impl Items {
    #[invalidates(self.cache)]
    async fn rename(&self, item_id: u64) {
        let _ = item_id;
    }
}

fn main() {}
