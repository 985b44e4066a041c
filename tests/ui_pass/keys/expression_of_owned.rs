use cache_core::cached_lru;

#[cached_lru(key = name)]
async fn get(name: String, times: usize) -> String {
    name.repeat(times)
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get("a".into(), 2).await, "aa");
        assert_eq!(get("a".into(), 9).await, "aa");
        assert_eq!(get::peek("a".into()).as_deref(), Some("aa"));
    });
}
