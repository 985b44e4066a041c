use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get)]
async fn change(region: String, other: &mut Vec<u64>, id: u64) -> String {
    other.push(id);
    region
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        let mut other = vec![];
        assert_eq!(change("eu".into(), &mut other, 1).await, "eu");
        assert_eq!((get::peek(1, "eu"), other), (None, vec![1]));
    });
}
