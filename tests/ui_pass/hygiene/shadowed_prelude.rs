#[allow(dead_code)]
mod shadowed {
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub fn drop() {}

    #[cache_core::cached_lru]
    pub async fn get(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }

    #[cache_core::invalidates(get)]
    pub async fn change(id: u64, name: &str) {}
}

pub fn main() {
    futures::executor::block_on(async {
        shadowed::get(1, "a").await;
        shadowed::change(1, "a").await;
        assert!(shadowed::get::peek(1, "a").is_none());
    });
}
