use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

fn key_of<'a>(region: &'a str, id: &u32) -> (u64, &'a str) {
    (u64::from(*id), region)
}

#[invalidates(get, key_fn = |region, id| (u64::from(*id), region))]
async fn by_closure(region: String, id: u32) -> String {
    region
}

#[invalidates(get, key_fn = key_of)]
async fn by_path(region: &str, id: u32) {}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        by_closure("eu".into(), 1).await;
        assert_eq!(get::peek(1, "eu"), None);
        get(1, "eu").await;
        by_path("eu", 1).await;
        assert_eq!(get::peek(1, "eu"), None);
    });
}
