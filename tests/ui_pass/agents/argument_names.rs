use cache_core::{Resource, agent_cached, agent_invalidates};

const RESOURCE: Resource = Resource::new("names:resource");

#[agent_cached(resource = RESOURCE, scope = "session", tags("{resource}{session}{key}{tags}"))]
async fn get(resource: u64, session: u64, key: u64, tags: u64) -> u64 {
    resource + session + key + tags
}

#[agent_cached(resource = RESOURCE, key = (resource, session), tags("{resource}{session}"))]
async fn by_expression(resource: u64, session: u64) -> u64 {
    resource + session
}

struct Tools;

impl Tools {
    #[agent_cached(resource = RESOURCE, skip(self))]
    async fn get(&self, key: u64, value: u64) -> u64 {
        key + value
    }

    #[agent_cached(resource = RESOURCE, skip(self))]
    async fn get_again(&self, key: u64, value: u64) -> u64 {
        key + value
    }
}

#[agent_invalidates(resource = RESOURCE, scope = "session", key_fn = |key, guards, resource, outcome| (key, guards, resource, outcome))]
async fn change(key: u64, guards: u64, resource: u64, outcome: u64) {}

#[agent_invalidates(resource = RESOURCE)]
async fn change_all(resource: u64) {}

pub fn main() {
    futures::executor::block_on(cache_core::session::scope("names", async {
        get(1, 2, 3, 4).await;
        by_expression(1, 2).await;
        Tools.get(1, 2).await;
        Tools.get_again(1, 2).await;
        change(1, 2, 3, 4).await;
        assert_eq!(get::stats().len, 0);
        change_all(1).await;
        assert_eq!(by_expression::stats().len, 0);
        assert_eq!(Tools::get_cache().len() + Tools::get_again_cache().len(), 0);
    }));
}
