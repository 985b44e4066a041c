use cache_core::cached_lru;

struct User {
    id: u64,
    name: String,
}

#[cached_lru(key = (user.id, user.name.as_str(), depth % 10))]
async fn get(user: &User, depth: u32) -> String {
    format!("{}{depth}", user.name)
}

pub fn main() {
    futures::executor::block_on(async {
        let user = User {
            id: 1,
            name: "a".into(),
        };
        assert_eq!(get(&user, 3).await, "a3");
        assert_eq!(get(&user, 13).await, "a3");
        assert!(get::invalidate(&user, 23).await);
    });
}
