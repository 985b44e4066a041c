use cache_core::cached_lru;

struct Failed<'a>(&'a str);

#[cached_lru]
async fn get<'a>(text: &'a str) -> Result<u64, Failed<'a>> {
    text.parse().map_err(|_| Failed(text))
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get("x").await.err().unwrap().0, "x");
        assert!(get("1").await.is_ok());
        assert_eq!(get::peek("1"), Some(1));
    });
}
