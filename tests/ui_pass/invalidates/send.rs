use cache_core::{cached_lru, invalidates};

fn is_send<T: Send>(value: T) -> T {
    value
}

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

#[invalidates(get)]
async fn change(id: u64, region: &str) {
    std::future::ready(()).await;
}

pub fn main() {
    futures::executor::block_on(async {
        is_send(change(1, "eu")).await;
    });
}
