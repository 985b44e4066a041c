use cache_core::cached_lru;

#[cached_lru]
async fn get(ids: &mut Vec<u64>) -> u64 {
    ids.len() as u64
}

fn main() {}
