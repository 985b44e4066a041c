use cache_core::{cached_lru, invalidates};

#[inline]
#[cached_lru(tags("beside:{id}"))]
#[must_use]
#[allow(clippy::unused_async)]
async fn get(id: u64) -> u64 {
    id
}

#[cfg(any())]
#[cached_lru(tags("beside:{id}"))]
async fn never(id: u64) -> NoSuchType {}

#[cached_lru(tags("beside:{id}"))]
#[cfg(any())]
async fn never_either(id: u64) -> NoSuchType {}

struct Service;

impl Service {
    #[cfg(any())]
    #[cached_lru(skip(self), tags("beside:{id}"))]
    async fn never(&self, id: u64) -> NoSuchType {}

    #[cached_lru(key = id, tags("beside:{id}"))]
    #[cfg(any())]
    async fn never_either(id: u64) -> NoSuchType {}
}

#[invalidates(tag = "beside:{id}")]
#[must_use]
#[invalidates(tag = "beside:{other}", get)]
async fn change(id: u64, other: &str) -> u64 {
    id + other.len() as u64
}

pub fn main() {
    let _ = Service;
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
        assert_eq!(change(1, "").await, 1);
        assert_eq!(get::stats().len, 0);
    });
}
