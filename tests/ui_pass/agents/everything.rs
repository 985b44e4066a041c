use std::time::Duration;

use cache_core::{agent_cached, agent_invalidates};

mod inner {
    use cache_core::Resource;

    pub struct Names;

    impl Names {
        pub const CART: Resource = Resource::new("everything:cart");
    }

    pub const fn cart() -> Resource {
        Names::CART
    }
}

#[agent_cached(
    resource = inner::Names::CART,
    scope = "session",
    max_weight = 1_000,
    weigher = |_, text: &String| text.len() as u32,
    ttl = Duration::from_secs(60),
    tti = "10m",
    policy = "tiny_lfu",
    cache_if = |text| !text.is_empty(),
    name = "carts",
    skip(db),
    tags("everything", "everything:{id}"),
    tag_fn = |text| [format!("everything:{text}")],
)]
#[must_use]
async fn get(db: &str, id: u64) -> Result<String, String> {
    Ok(format!("{db}{id}"))
}

#[cfg(any())]
#[agent_cached(resource = NOTHING)]
async fn never(id: u64) -> NoSuchType {}

#[agent_cached(resource = NOTHING)]
#[cfg(any())]
async fn never_either(id: u64) -> NoSuchType {}

#[agent_invalidates(resource = inner::cart(), clear_all,)]
async fn change(id: u64) -> u64 {
    id
}

pub fn main() {
    #[agent_cached(resource = "everything:cart", unbounded)]
    async fn nested() -> u64 {
        1
    }
    futures::executor::block_on(cache_core::session::scope("everything", async {
        get("db", 7).await.unwrap();
        nested().await;
        assert_eq!(get::cache().name(), "carts");
        assert_eq!(cache_core::invalidate_tag("everything:db7").await, 1);
        get("db", 7).await.unwrap();
        assert_eq!(change(1).await, 1);
        assert_eq!(get::stats().len + nested::stats().len, 0);
    }));
}
