use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64) -> u64 {
    id
}

#[invalidates(tag = "user:{id}", clear_all)]
async fn change(id: u64, name: &str) {
    let _ = (id, name);
}

fn main() {}
