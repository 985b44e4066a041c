use cache_core::cached_revision;

#[cached_revision(revision = 1, on_change = "stale", skip(count))]
async fn get(count: &mut u64, id: u64) -> u64 {
    *count += 1;
    id
}

fn main() {}
