use cache_core::cached_lru;

#[cached_lru(detached, key = id + 1)]
async fn get(id: u64) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(id)
}

fn main() {}
