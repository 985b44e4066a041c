use cache_core::cached_lru;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Id(u64);

#[cached_lru]
async fn get(a: String, b: Vec<u8>, c: Id, d: std::borrow::Cow<'_, str>, e: Option<String>) -> usize {
    a.len() + b.len() + c.0 as usize + d.len() + e.map_or(0, |e| e.len())
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get("a".into(), vec![1], Id(1), "d".into(), None).await, 4);
        assert!(get::invalidate("a".into(), vec![1], Id(1), "d".into(), None).await);
    });
}
