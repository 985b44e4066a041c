use cache_core::cached_lru;

#[cached_lru(detached)]
async fn get(name: &str) -> Result<u64, &str> {
    Err(name)
}

fn main() {}
