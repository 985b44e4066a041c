use cache_core::cached_ttl;

trait Repository {
    #[cached_ttl(skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
