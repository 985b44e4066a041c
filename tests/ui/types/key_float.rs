use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64, x: f64) -> u64 {
    id + x as u64
}

fn main() {}
