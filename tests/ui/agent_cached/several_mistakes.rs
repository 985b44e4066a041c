use cache_core::agent_cached;

#[agent_cached(resource = "", scope = "all", ttl = "60", tags("{x}"))]
async fn get_cart(user: u64) -> u64 {
    user
}

fn main() {}
