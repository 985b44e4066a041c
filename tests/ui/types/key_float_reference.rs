use cache_core::cached_ttl;

#[cached_ttl]
async fn get(x: &f32) -> u64 {
    *x as u64
}

fn main() {}
