use cache_core::cached_lru;

#[cached_lru]
async fn get(text: &str) -> Result<u64, std::num::ParseIntError> {
    if text.is_empty() {
        return Ok(0);
    }
    Ok(text.parse::<u64>()? + 1)
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get("").await, Ok(0));
        assert_eq!(get("4").await, Ok(5));
        assert!(get("x").await.is_err());
        assert_eq!(get::peek("x"), None);
    });
}
