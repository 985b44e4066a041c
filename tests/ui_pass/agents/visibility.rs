pub mod names {
    pub const CART: cache_core::Resource = cache_core::Resource::new("visibility:cart");
}

pub mod tools {
    use cache_core::agent_cached;

    #[agent_cached(resource = super::names::CART, scope = "session")]
    pub async fn get(id: u64) -> u64 {
        id
    }

    pub struct Tools;

    impl Tools {
        #[agent_cached(resource = super::names::CART, skip(self))]
        pub async fn get(&self, id: u64) -> u64 {
            id
        }
    }
}

mod mutations {
    use super::names::CART;
    use super::tools::get;

    #[cache_core::agent_invalidates(resource = CART, key_fn = |id| id)]
    pub(super) async fn change(id: u64) {
        assert_eq!(get::peek(id), None);
    }
}

pub fn main() {
    futures::executor::block_on(cache_core::session::scope("visibility", async {
        tools::get(1).await;
        tools::Tools.get(1).await;
        mutations::change(1).await;
        assert_eq!(tools::get::stats().len, 0);
        assert_eq!(tools::Tools::get_cache().len(), 0);
    }));
}
