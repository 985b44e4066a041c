use super::revision_renamed::other::{self, cached_revision, invalidates};

#[cached_revision(revision = 1, crate = other)]
async fn reload(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached_revision(revision = id.checked_add(1).ok_or("too large")?, on_change = "stale", max_weight = 9, weigher = |_, _| 1, tags("a"), crate = crate::revision_renamed::other)]
async fn stale(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

struct Service;

impl Service {
    #[cached_revision(revision = 1, skip(self), crate = other)]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

#[invalidates(reload(id), stale(..), crate = other)]
async fn change(id: u64) {}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!((reload(1).await, stale(1, "a").await, Service.get(1).await), (Ok(1), 2, 1));
        change(1).await;
        assert!(reload::peek(1).is_none() && stale::peek(1, "a").is_none());
    });
}
