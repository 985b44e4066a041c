use cache_core::cached_lru;

#[cached_lru(key = format!("{id}:{name}"))]
async fn get(id: u64, name: &str, noise: u64) -> u64 {
    id + name.len() as u64 + noise
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1, "a", 5).await, 7);
        assert_eq!(get(1, "a", 9).await, 7);
        assert_eq!(get::peek(1, "a"), Some(7));
    });
}
