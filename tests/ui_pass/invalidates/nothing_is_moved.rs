use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get(id, name.as_str()), get(id, name), get(id, Some(name).map_or("", |name| name)))]
async fn change(id: u64, name: String) -> String {
    name
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        assert_eq!(change(1, "eu".into()).await, "eu");
        assert_eq!(get::peek(1, "eu"), None);
    });
}
