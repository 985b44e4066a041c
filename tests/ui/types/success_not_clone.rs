use cache_core::cached_lru;

struct User(u64);

#[cached_lru]
async fn get(id: u64) -> Result<User, String> {
    Ok(User(id))
}

fn main() {}
