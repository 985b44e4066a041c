use cache_core::cached_revision;

#[cached_revision(revision = 1, on_change = "stale", cache_if = |value| *value > id)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
