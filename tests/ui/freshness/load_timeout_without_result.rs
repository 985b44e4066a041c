use cache_core::cached_ttl;

#[cached_ttl(load_timeout = "2s")]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
