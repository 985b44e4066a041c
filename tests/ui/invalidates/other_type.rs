use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get_item(item_id: u64, region: &str) -> usize {
    item_id as usize + region.len()
}

#[invalidates(get_item)]
async fn rename(region: String, item_id: u32) {
    let _ = (item_id, region);
}

fn main() {}
