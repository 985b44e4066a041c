use cache_core::cached_lru;

#[cached_lru(cache_if = |value| value.is_some())]
async fn get(id: u64) -> Option<u64> {
    (id > 0).then_some(id)
}

pub fn main() {
    futures::executor::block_on(async {
        get(0).await;
        get(1).await;
        assert_eq!((get::peek(0), get::peek(1)), (None, Some(Some(1))));
    });
}
