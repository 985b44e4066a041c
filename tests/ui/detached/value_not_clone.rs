use cache_core::cached_lru;

struct User(u64);

#[cached_lru(detached)]
async fn get(id: u64) -> User {
    User(id)
}

fn main() {}
