#[allow(dead_code)]
mod shadowed {
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub struct HashMap;
    pub fn drop() {}

    #[cache_core::cached_batch(window = "0ms", max_batch = 10, none_ttl = "1s", tags("t", "t:{ids}"), skip(factor))]
    pub async fn get(
        factor: &u64,
        ids: &[u64],
    ) -> ::core::result::Result<::std::collections::HashMap<u64, u64>, ::std::string::String> {
        Ok(ids.iter().map(|id| (*id, *id * factor)).collect())
    }

    #[cache_core::invalidates(get(id))]
    pub async fn change(id: u64) {}
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(shadowed::get(&3, 1).await, Ok(Some(3)));
        assert_eq!(shadowed::get::many(&3, [1, 2]).await.unwrap()[&2], 6);
        shadowed::change(1).await;
        assert!(shadowed::get::peek(1).is_none());
    });
}
