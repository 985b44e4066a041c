use cache_core::cached_lru;

#[cached_lru(key = x * 2.0)]
async fn get(x: f64) -> u64 {
    x as u64
}

fn main() {}
