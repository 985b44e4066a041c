use cache_core::agent_cached;

trait Carts {
    #[agent_cached(resource = "cart", skip(self))]
    async fn get_cart(&self, user: u64) -> u64;
}

fn main() {}
