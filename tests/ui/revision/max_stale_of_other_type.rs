use cache_core::cached_revision;

#[cached_revision(revision = 1, max_stale = limit())]
async fn get(id: u64) -> u64 {
    id
}

fn limit() -> u64 {
    300
}

fn main() {}
