mod elsewhere {
    pub use ::cache_core as renamed;
}

use elsewhere::renamed::{Cache, cached_in, cached_ttl, invalidates};

#[allow(unused_imports)]
use std as cache_core;

#[cached_ttl(tags("renamed:{id}"), tag_fn = |n| [n.to_string()], crate = elsewhere::renamed)]
async fn get(id: u64) -> u64 {
    id
}

#[cached_in(cache, key = id, tags("renamed:{id}"), tag_fn = |n: &u64| [n.to_string()], crate = crate::renamed_crate::elsewhere::renamed)]
async fn own(cache: &Cache<u64, u64>, id: u64) -> u64 {
    id
}

#[invalidates(tag = "renamed:{id}", crate = elsewhere::renamed)]
async fn change(id: u64) {}

pub fn main() {
    futures::executor::block_on(async {
        let cache = Cache::builder().build();
        get(1).await;
        own(&cache, 1).await;
        change(1).await;
        assert_eq!(get::cache().len() + cache.len(), 0);
    });
}
