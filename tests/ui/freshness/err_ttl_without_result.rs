use cache_core::cached_ttl;

#[cached_ttl(err_ttl = "1s")]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
