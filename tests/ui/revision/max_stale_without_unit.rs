use cache_core::cached_revision;

#[cached_revision(revision = 1, max_stale = 300)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
