use cache_core::agent_cached;

#[agent_cached]
async fn get_cart(user: u64) -> u64 {
    user
}

fn main() {}
