use cache_core::{cached_lru, invalidates};

struct User {
    id: u64,
}

#[cached_lru(key = user.id)]
async fn get(user: &User) -> u64 {
    user.id
}

#[invalidates(get)]
async fn change(user: &User) {}

#[invalidates(get(user))]
async fn change_owned(user: User) -> User {
    user
}

pub fn main() {
    futures::executor::block_on(async {
        let user = User { id: 1 };
        get(&user).await;
        change(&user).await;
        assert_eq!(get::peek(&user), None);
        get(&user).await;
        change_owned(user).await;
        assert_eq!(get::stats().len, 0);
    });
}
