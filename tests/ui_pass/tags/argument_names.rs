use cache_core::{Cache, cached_in, cached_lru, invalidates};

struct Field {
    tags: u64,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tags.fmt(f)
    }
}

#[cached_lru(tags("{key}{tags}{value}{resource}{settings}{labels}"), tag_fn = |value| [value.to_string()])]
async fn get(key: u64, tags: u64, value: u64, resource: u64, settings: u64, labels: u64) -> u64 {
    key + tags + value + resource + settings + labels
}

#[cached_lru(key = (tags, value, key), tags("{key}{tags}{value}"), tag_fn = |tags| [tags.to_string()])]
async fn by_expression(key: u64, tags: u64, value: u64) -> u64 {
    key + tags + value
}

#[cached_in(cache.0, tags("{key}{tags}{value}{cache.1}"), tag_fn = |key| [key.to_string()])]
async fn own(cache: &(Cache<(u64, u64, u64), u64>, Field), key: u64, tags: u64, value: u64) -> u64 {
    key + tags + value + cache.1.tags
}

fn labels(value: &u64) -> Option<String> {
    Some(format!("called:{value}"))
}

#[cached_lru(tag_fn = |value| labels(value).into_iter().map(|key| key + "!"))]
async fn called(labels: u64, key: u64) -> u64 {
    labels + key
}

#[invalidates(tag = "{guards}{tag}{key}{value}{outcome}{private}")]
async fn change(guards: u64, tag: u64, key: u64, value: u64, outcome: u64, private: u64) -> u64 {
    guards + tag + key + value + outcome + private
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, 1, 1, 1, 1, 1).await;
        by_expression(1, 1, 1).await;
        let cache = (Cache::builder().build(), Field { tags: 1 });
        own(&cache, 1, 1, 1).await;
        assert_eq!(cache_core::invalidate_tag("1111").await, 1);
        assert_eq!(change(1, 1, 1, 1, 1, 1).await, 6);
        assert_eq!(get::stats().len, 0);
        assert_eq!(cache_core::invalidate_tag("3").await, 1);
        called(1, 2).await;
        assert_eq!(cache_core::invalidate_tag("called:3!").await, 1);
    });
}
