use cache_core::cached_revision;

#[cached_revision(revision = 1, on_change = "stale", skip(names))]
async fn get(names: Vec<&str>, id: u64) -> u64 {
    let _ = names;
    id
}

fn main() {}
