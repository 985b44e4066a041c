use cache_core::cached_ttl;

#[cached_ttl(scope = "session")]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

fn main() {}
