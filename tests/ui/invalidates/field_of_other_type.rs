use cache_core::{Cache, invalidates};

struct Items {
    cache: Cache<u64, u64>,
}

impl Items {
    #[invalidates(self.cache(name))]
    async fn rename(&self, name: &str) {
        let _ = name;
    }
}

fn main() {}
