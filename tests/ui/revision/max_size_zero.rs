use cache_core::cached_revision;

#[cached_revision(revision = 1, max_size = 0, on_change = "stale")]
async fn get(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, max_stale = "5m", max_size = 0)]
async fn other(id: u64) -> u64 {
    id
}

fn main() {}
