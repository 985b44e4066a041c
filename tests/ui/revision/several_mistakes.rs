use cache_core::cached_revision;

#[cached_revision(revision = 1, on_change = "later", max_stale = "0s", detached, ttl = 60, skip(idd))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
