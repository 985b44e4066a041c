use std::sync::LazyLock;

use cache_core::{Cache, cached_in, invalidates};

static USERS: LazyLock<Cache<(u64, String), u64>> = LazyLock::new(|| Cache::builder().build());

#[cached_in(USERS)]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(USERS(id, region))]
async fn change(id: u64, region: String) -> String {
    region
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        assert_eq!(get::peek(1, "eu"), Some(3));
        assert_eq!(change(1, "eu".into()).await, "eu");
        assert_eq!(get::peek(1, "eu"), None);
    });
}
