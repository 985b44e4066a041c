use cache_core::cached_lru;

#[cached_lru(key = id / 10, tags("decade:{id}"))]
async fn decade(id: u64) -> u64 {
    id / 10
}

#[cached_lru(key = (user.0.len(), id), tags("user:{user.0}", "id:{id}"))]
async fn of_user(user: &(String, u8), id: u64) -> u64 {
    id
}

fn main() {
    let _ = (decade(1), of_user(&(String::new(), 1), 1));
}
