use cache_core::cached_lru;

#[cached_lru]
async fn get(a: &str, b: &[u8], c: Option<&str>, d: &u64, e: &std::path::Path) -> usize {
    a.len() + b.len() + c.map_or(0, str::len) + *d as usize + e.as_os_str().len()
}

pub fn main() {
    futures::executor::block_on(async {
        let path = std::path::Path::new("p");
        assert_eq!(get("a", b"b", Some("c"), &1, path).await, 5);
        assert!(get::invalidate("a", b"b", Some("c"), &1, path).await);
        let _: &cache_core::Cache<(String, Vec<u8>, Option<String>, u64, std::path::PathBuf), usize> = get::cache();
    });
}
