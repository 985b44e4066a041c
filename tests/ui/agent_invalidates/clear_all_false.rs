use cache_core::agent_invalidates;

#[agent_invalidates(resource = "cart", clear_all = false)]
async fn add(user: u64, item: &str) {
    let _ = (user, item);
}

fn main() {}
