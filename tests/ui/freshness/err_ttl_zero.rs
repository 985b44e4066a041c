use cache_core::cached_ttl;

#[cached_ttl(err_ttl = "0s")]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
