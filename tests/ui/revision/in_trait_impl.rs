use cache_core::cached_revision;

trait Get {
    async fn get(id: u64) -> u64;
}

struct Service;

impl Get for Service {
    #[cached_revision(revision = 1)]
    async fn get(id: u64) -> u64 {
        id
    }
}

fn main() {}
