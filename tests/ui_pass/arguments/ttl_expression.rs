use cache_core::cached_ttl;

use std::time::Duration;

fn ttl() -> Duration {
    Duration::from_secs(5)
}

#[cached_ttl(ttl = ttl() * 2)]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await;
        assert_eq!(get::peek(1), Some(1));
    });
}
