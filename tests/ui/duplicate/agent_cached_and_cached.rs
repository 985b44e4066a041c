use cache_core::{agent_cached, cached_ttl};

#[agent_cached(resource = "cart")]
#[cached_ttl]
async fn get_cart(user: u64) -> u64 {
    user
}

fn main() {}
