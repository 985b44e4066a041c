use cache_core::cached_lru;

#[cached_lru]
async fn get(text: &str) -> Result<&str, String> {
    Ok(text)
}

fn main() {}
