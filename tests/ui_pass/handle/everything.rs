use cache_core::cached_lru;

#[cached_lru(skip(db))]
async fn get(db: &str, id: u64) -> Result<String, String> {
    Ok(format!("{db}{id}"))
}

pub fn main() {
    futures::executor::block_on(async {
        get("a", 1).await.unwrap();
        assert_eq!(get::peek(1).as_deref(), Some("a1"));
        assert_eq!(get::refresh("b", 1).await.as_deref(), Ok("b1"));
        assert_eq!(get::uncached("c", 1).await.as_deref(), Ok("c1"));
        get::insert(1, "d".to_owned()).await;
        assert_eq!(get("a", 1).await.as_deref(), Ok("d"));
        assert!(get::invalidate(1).await);
        assert_eq!(get::stats().hits, 1);
        get::clear().await;
        assert_eq!(get::stats().hits, 0);
        let cache: &cache_core::Cache<u64, String> = get::cache();
        assert!(cache.is_empty());
    });
}
