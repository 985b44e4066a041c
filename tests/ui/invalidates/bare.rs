use cache_core::invalidates;

#[invalidates]
async fn rename(item_id: u64) {
    let _ = item_id;
}

fn main() {}
