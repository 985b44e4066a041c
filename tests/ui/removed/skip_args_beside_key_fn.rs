use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get_item(item_id: u64) -> u64 {
    item_id
}

#[invalidates(get_item, skip_args = 0, key_fn = |_db, item_id| item_id)]
async fn rename(db: &str, item_id: u64) {
    let _ = (db, item_id);
}

fn main() {}
