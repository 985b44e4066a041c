use cache_core::{Cache, agent_cached, cached_in, cached_lru, cached_ttl};

#[cached_lru(on_change = "stale")]
async fn a(id: u64) -> u64 {
    id
}

#[cached_ttl(revision = 1)]
async fn b(id: u64) -> u64 {
    id
}

static CACHE: std::sync::LazyLock<Cache<u64, u64>> = std::sync::LazyLock::new(|| Cache::builder().build());

#[cached_in(CACHE, max_stale = "5m")]
async fn c(id: u64) -> u64 {
    id
}

#[agent_cached(resource = "cart", on_change = "reload")]
async fn d(id: u64) -> u64 {
    id
}

fn main() {}
