use cache_core::cached_lru;

#[cached_lru]
async fn get(text: &str) -> &str {
    text
}

fn main() {}
