use std::time::Duration;

use cache_core::cached_revision;
use cache_core::registry::Kind;
use cache_core::revision::Status;

const SIZE: usize = 10;

fn limit() -> Duration {
    Duration::from_secs(300)
}

#[cached_revision(
    revision = 1,
    on_change = "reload",
    max_stale = "5m",
    max_size = SIZE,
    ttl = "1h",
    tti = "10m",
    policy = "tiny_lfu",
    skip(_db),
    cache_if = |value| *value > 0,
    name = "everything",
    tags("all", "id:{id}"),
    tag_fn = |value| [format!("value:{value}")],
    crate = ::cache_core,
)]
async fn everything(_db: &str, id: u64) -> u64 {
    id
}

#[cached_revision(
    revision = 1,
    on_change = "stale",
    max_stale = limit(),
    retry_after = Duration::from_millis(5),
    unbounded,
    ttl = limit(),
    skip(db),
    cache_if = is_even,
    tags("all"),
    tag_fn = |value| [format!("value:{value}")]
)]
async fn everything_else(db: &String, id: u64) -> Result<u64, String> {
    Ok(id + db.len() as u64)
}

fn is_even(value: &u64) -> bool {
    value.is_multiple_of(2)
}

#[cached_revision(revision = 1, max_weight = 10, weigher = weigh)]
async fn weighed(id: u64) -> String {
    "x".repeat(id as usize)
}

fn weigh(_: &u64, value: &String) -> u32 {
    value.len() as u32
}

#[cached_revision(revision = 1, max_weight = 10, weigher = |_, value: &u64| *value as u32)]
async fn weighed_by_closure(id: u64, _name: &str) -> Result<u64, String> {
    Ok(id)
}

#[cached_revision(revision = 1, max_size = 0)]
async fn not_kept(id: u64) -> u64 {
    id
}

// Of the call's own arguments, where the call waits.
#[cached_revision(revision = 1, cache_if = |value| *value > id)]
async fn kept_by_argument(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!((everything("db", 0).await, everything("db", 7).await), (0, 7));
        assert!(everything::peek(0).is_none() && everything::peek(7).is_some());
        assert_eq!(everything::cache().name(), "everything");
        assert_eq!(cache_core::registry::get("everything").unwrap().kind(), Kind::CachedRevision);
        assert_eq!(cache_core::invalidate_tag("value:7").await, 1);
        assert!(everything::peek(7).is_none());

        let db = String::new();
        assert_eq!((everything_else(&db, 1).await, everything_else(&db, 2).await), (Ok(1), Ok(2)));
        assert!(everything_else::peek(1).is_none() && everything_else::peek(2).is_some());
        assert_eq!(cache_core::invalidate_tag("value:2").await, 1);

        assert_eq!((weighed(20).await.len(), weighed(5).await.len()), (20, 5));
        assert!(weighed::peek(20).is_none() && weighed::peek(5).is_some());
        assert_eq!((weighed_by_closure(20, "").await, weighed_by_closure(5, "").await), (Ok(20), Ok(5)));
        assert!(weighed_by_closure::peek(20, "").is_none() && weighed_by_closure::peek(5, "").is_some());

        not_kept(1).await;
        assert_eq!(not_kept::lookup(1).await.status, Status::Miss);
        kept_by_argument(1).await;
        assert!(kept_by_argument::peek(1).is_none());
    });
}
