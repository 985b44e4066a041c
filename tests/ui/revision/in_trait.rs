use cache_core::cached_revision;

trait Get {
    #[cached_revision(revision = 1)]
    async fn get(id: u64) -> u64;
}

fn main() {}
