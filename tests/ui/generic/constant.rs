use cache_core::cached_lru;

#[cached_lru]
async fn get<const N: usize>(ids: [u64; N]) -> u64 {
    ids.iter().sum()
}

fn main() {}
