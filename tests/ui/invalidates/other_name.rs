use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get_item(item_id: u64) -> u64 {
    item_id
}

#[invalidates(get_item)]
async fn rename(id: u64) {
    let _ = id;
}

fn main() {}
