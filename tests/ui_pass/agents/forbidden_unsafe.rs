#![forbid(unsafe_code)]
#![deny(warnings)]

use cache_core::{agent_cached, agent_invalidates};

#[agent_cached(resource = "forbid:cart")]
async fn get(id: u64) -> u64 {
    id
}

struct Tools;

impl Tools {
    #[agent_cached(resource = "forbid:cart", scope = "session", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

#[agent_invalidates(resource = "forbid:cart")]
async fn change() {}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await + Tools.get(1).await, 2);
        change().await;
        assert_eq!(get::stats().len, 0);
    });
}
