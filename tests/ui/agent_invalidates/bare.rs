use cache_core::agent_invalidates;

#[agent_invalidates]
async fn add(user: u64) {
    let _ = user;
}

fn main() {}
