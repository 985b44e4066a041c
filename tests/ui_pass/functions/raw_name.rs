use cache_core::cached_lru;

#[cached_lru]
async fn r#type(r#in: u64) -> u64 {
    r#in
}

pub fn main() {
    futures::executor::block_on(async {
        r#type(1).await;
        assert_eq!(r#type::peek(1), Some(1));
    });
}
