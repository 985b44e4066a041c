use cache_core::cached_in;

#[cached_in]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
