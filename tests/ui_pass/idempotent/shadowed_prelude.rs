#[allow(dead_code)]
mod shadowed {
    pub struct Option;
    pub struct String;
    pub struct Vec;
    pub enum Result {
        Ok,
        Err,
    }
    #[allow(unused_imports)]
    pub use Result::*;
    pub trait Send {}
    pub trait ToOwned {}
    pub trait Into {}
    pub fn drop() {}
    pub fn kind() {}

    #[cache_core::idempotent(store = replay, key = key, scope = (tenant, user), payload = (item, user), store_error = |error| error.0)]
    pub async fn create(
        replay: &super::IdempotencyStore,
        key: ::std::option::Option<&str>,
        tenant: &str,
        user: u64,
        item: ::std::string::String,
    ) -> ::std::result::Result<usize, super::Refused> {
        ::std::result::Result::Ok(item.len())
    }
}

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Refused(bool);

impl From<IdempotencyError> for Refused {
    fn from(_: IdempotencyError) -> Self {
        Self(false)
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let replay = IdempotencyStore::new(MemoryBackend::new());
        let created = shadowed::create(&replay, Some("a"), "acme", 1, "tea".to_owned());
        assert_eq!(created.await.unwrap(), 3);
    });
}
