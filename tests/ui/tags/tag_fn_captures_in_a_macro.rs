use cache_core::cached_lru;

#[cached_lru(tag_fn = |_value| [format!("user:{}", region)])]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

fn main() {}
