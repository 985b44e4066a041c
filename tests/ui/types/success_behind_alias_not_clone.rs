use cache_core::cached_lru;

struct User(u64);

type Res<T> = Result<T, String>;

#[cached_lru]
async fn get(id: u64) -> Res<User> {
    Ok(User(id))
}

fn main() {}
