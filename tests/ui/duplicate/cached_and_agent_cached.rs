use cache_core::{agent_cached, cached_lru};

#[cached_lru]
#[agent_cached(resource = "cart")]
async fn get_cart(user: u64) -> u64 {
    user
}

fn main() {}
