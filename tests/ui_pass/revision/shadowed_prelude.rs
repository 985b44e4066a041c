#[allow(dead_code)]
mod shadowed {
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub struct Some;
    pub struct Ok;
    pub struct Err;
    pub trait Future {}
    pub trait Clone {}
    pub trait Send {}
    pub fn drop() {}

    #[cache_core::cached_revision(revision = 1, max_stale = "5m", max_size = 10, tags("t", "t:{id}"))]
    pub async fn reload(id: u64) -> ::core::result::Result<u64, ::std::string::String> {
        ::core::result::Result::Ok(id)
    }

    #[cache_core::cached_revision(revision = 1, max_stale = "5m", on_change = "stale", tag_fn = |value| [*value])]
    pub async fn stale(id: u64, name: &str) -> &'static str {
        let _ = (id, name);
        "a"
    }

    pub struct Service;

    impl Service {
        #[cache_core::cached_revision(revision = 1, skip(self))]
        pub async fn get(&self, id: u64) -> u64 {
            id
        }
    }

    #[cache_core::invalidates(reload(id), stale(..))]
    pub async fn change(id: u64) {}
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!((shadowed::reload(1).await, shadowed::stale(1, "a").await), (Ok(1), "a"));
        assert_eq!(shadowed::Service.get(1).await, 1);
        shadowed::change(1).await;
        assert!(shadowed::reload::peek(1).is_none() && shadowed::stale::peek(1, "a").is_none());
    });
}
