use cache_core::cached_ttl;

#[cached_ttl(ttl = "1h30m")]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await;
        assert_eq!(get::peek(1), Some(1));
    });
}
