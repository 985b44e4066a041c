use cache_core::agent_cached;

trait Carts {
    fn get_cart(&self, user: u64) -> impl Future<Output = u64>;
}

struct Shop;

impl Carts for Shop {
    #[agent_cached(resource = "cart", skip(self))]
    async fn get_cart(&self, user: u64) -> u64 {
        user
    }
}

fn main() {}
