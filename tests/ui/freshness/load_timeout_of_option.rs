use cache_core::cached_ttl;

#[cached_ttl(load_timeout = "2s")]
async fn get(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
