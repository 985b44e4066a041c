use cache_core::cached_ttl;

#[cached_ttl(stale_if_error = "5m", err_ttl = "1s", load_timeout = "2s")]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
