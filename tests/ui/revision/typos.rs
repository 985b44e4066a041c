use cache_core::cached_revision;

#[cached_revision(revison = 1, onchange = "stale", max_stall = "5m", max_sise = 10)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
