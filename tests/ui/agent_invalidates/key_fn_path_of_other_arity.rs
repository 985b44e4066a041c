use cache_core::agent_invalidates;

fn of_user(user: &u64) -> u64 {
    *user
}

#[agent_invalidates(resource = "cart", key_fn = of_user)]
async fn add(user: u64, item: &str) {
    let _ = (user, item);
}

fn main() {}
