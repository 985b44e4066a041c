use cache_core::agent_cached;

#[agent_cached(resource = "cart")]
async fn get_cart<T: Clone>(user: T) -> T {
    user
}

fn main() {}
