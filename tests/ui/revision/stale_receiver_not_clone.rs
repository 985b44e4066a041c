use cache_core::cached_revision;

struct Service;

impl Service {
    #[cached_revision(revision = 1, on_change = "stale", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
