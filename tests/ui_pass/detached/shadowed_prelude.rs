#[allow(dead_code)]
mod shadowed {
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub trait Send {}
    pub trait ToOwned {}
    pub fn drop() {}

    #[cache_core::cached_lru(detached)]
    pub async fn get(id: u64, name: &str, ids: &[u8], more: ::std::option::Option<&str>) -> u64 {
        id + name.len() as u64 + ids.len() as u64 + more.iter().count() as u64
    }

    #[cache_core::invalidates(get)]
    pub async fn change(id: u64, name: &str, ids: &[u8], more: ::std::option::Option<&str>) {}
}

pub fn main() {
    futures::executor::block_on(async {
        shadowed::get(1, "a", &[], None).await;
        shadowed::change(1, "a", &[], None).await;
        assert!(shadowed::get::peek(1, "a", &[], None).is_none());
    });
}
