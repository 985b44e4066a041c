use cache_core::cached_ttl;

#[cached_ttl(tti = "0ms")]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
