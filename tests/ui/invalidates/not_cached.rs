use cache_core::invalidates;

async fn get_item(item_id: u64) -> u64 {
    item_id
}

#[invalidates(get_item)]
async fn rename(item_id: u64) -> u64 {
    get_item(item_id).await
}

fn main() {}
