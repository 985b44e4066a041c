mod elsewhere {
    pub use ::cache_core as renamed;
}

use elsewhere::renamed::{Resource, agent_cached, agent_invalidates};

#[allow(unused_imports)]
use std as cache_core;

const CART: Resource = Resource::new("renamed:cart");

#[agent_cached(resource = CART, scope = "session", crate = elsewhere::renamed)]
async fn get(id: u64) -> u64 {
    id
}

#[agent_cached(resource = "renamed:cart", scope = "session", key = id, crate = elsewhere::renamed)]
async fn by_expression(id: u64) -> u64 {
    id
}

#[agent_invalidates(resource = "renamed:cart", crate = elsewhere::renamed)]
async fn change() {}

pub fn main() {
    futures::executor::block_on(elsewhere::renamed::session::scope("renamed", async {
        get(1).await;
        by_expression(1).await;
        change().await;
        assert_eq!(get::stats().len + by_expression::stats().len, 0);
    }));
}
