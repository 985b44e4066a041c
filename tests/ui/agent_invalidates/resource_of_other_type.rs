use cache_core::agent_invalidates;

#[agent_invalidates(resource = 1 + 1, scope = "session")]
async fn add(user: u64, item: &str) {
    let _ = (user, item);
}

fn main() {}
