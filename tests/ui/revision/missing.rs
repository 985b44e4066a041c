use cache_core::cached_revision;

#[cached_revision]
async fn get(id: u64) -> u64 {
    id
}

#[cached_revision(on_change = "stale")]
async fn other(id: u64) -> u64 {
    id
}

async fn call() -> u64 {
    get(1).await + other(1).await
}

fn main() {}
