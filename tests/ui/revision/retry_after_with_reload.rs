use cache_core::cached_revision;

#[cached_revision(revision = 1, on_change = "reload", retry_after = "5s")]
async fn get(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, retry_after = "5s")]
async fn other(id: u64) -> u64 {
    id
}

fn main() {}
