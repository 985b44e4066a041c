use cache_core::cached_revision;

struct Service {
    version: u64,
}

impl Service {
    #[cached_revision(revision = self.version)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
