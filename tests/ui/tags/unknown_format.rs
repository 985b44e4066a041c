use cache_core::cached_lru;

#[cached_lru(tags("user:{id:foo}"))]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

fn main() {}
