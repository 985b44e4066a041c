use cache_core::{Resource, agent_cached};

struct Shop;

impl Shop {
    const CART: Resource = Resource::new("cart");

    #[agent_cached(resource = Self::CART, skip(self))]
    async fn get_cart(&self, user: u64) -> u64 {
        user
    }
}

fn main() {}
