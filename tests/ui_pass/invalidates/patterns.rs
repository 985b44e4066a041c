use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get(id, region))]
async fn change((id, region): (u64, String), _: u8, mut more: Vec<u64>) -> (String, usize) {
    more.push(id);
    (region, more.len())
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        assert_eq!(change((1, "eu".into()), 0, vec![]).await, ("eu".to_owned(), 1));
        assert_eq!(get::peek(1, "eu"), None);
    });
}
