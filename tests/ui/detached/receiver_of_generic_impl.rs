use cache_core::cached_lru;

#[derive(Clone)]
struct Users<T>(T);

impl<T: ToString> Users<T> {
    #[cached_lru(detached, skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
