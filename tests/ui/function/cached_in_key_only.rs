use cache_core::cached_in;

#[cached_in(key = id)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
