use cache_core::cached_lru;

#[cached_lru(weigher = |_, text: &String| text.len() as u32, max_weight = 100)]
async fn get(id: u64) -> String {
    id.to_string()
}

pub fn main() {
    futures::executor::block_on(async {
        get(9).await;
        assert_eq!(get::stats().len, 1);
    });
}
