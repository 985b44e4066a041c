use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> Result<(), String> {
    if id == 0 { Err("no".into()) } else { Ok(()) }
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await.unwrap();
        assert_eq!(get::peek(1), Some(()));
    });
}
