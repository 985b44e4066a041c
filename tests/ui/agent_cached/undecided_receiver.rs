use cache_core::agent_cached;

struct Shop;

impl Shop {
    #[agent_cached(resource = "cart")]
    async fn get_cart(&self, user: u64) -> u64 {
        user
    }
}

fn main() {}
