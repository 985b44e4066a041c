use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get_item(item_id: u64) -> u64 {
    item_id
}

#[invalidates(get_item)]
fn rename(item_id: u64) -> u64 {
    item_id
}

fn main() {}
