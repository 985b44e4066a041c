use cache_core::agent_invalidates;

#[agent_invalidates(Shop::get_cart(user), resource = "cart")]
async fn add(user: u64, item: &str) {
    let _ = (user, item);
}

fn main() {}
