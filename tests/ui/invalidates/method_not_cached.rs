use cache_core::invalidates;

struct Items;

impl Items {
    async fn get_item(&self, item_id: u64) -> u64 {
        item_id
    }

    #[invalidates(Self::get_item(item_id))]
    async fn rename(&self, item_id: u64) -> u64 {
        self.get_item(item_id).await
    }
}

fn main() {}
