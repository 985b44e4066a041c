use cache_core::cached_lru;

const SIZE: u8 = 10;

#[cached_lru(max_size = SIZE)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
