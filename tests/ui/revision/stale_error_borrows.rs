use cache_core::cached_revision;

#[cached_revision(revision = 1, on_change = "stale")]
async fn get(name: &str) -> Result<u64, &str> {
    name.parse().map_err(|_| name)
}

fn main() {}
