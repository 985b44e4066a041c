use cache_core::cached_lru;

type Res<T> = Result<T, std::io::Error>;

#[cached_lru]
async fn get(id: u64) -> Res<u64> {
    if id == 0 {
        Err(std::io::Error::other("no"))
    } else {
        Ok(id)
    }
}

pub fn main() {
    futures::executor::block_on(async {
        assert!(get(0).await.is_err());
        assert_eq!(get(1).await.unwrap(), 1);
        assert_eq!((get::peek(0), get::peek(1)), (None, Some(1)));
    });
}
