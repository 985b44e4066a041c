use cache_core::{cached_lru, invalidates};

#[derive(Clone, PartialEq, Debug)]
struct User(u64);

impl User {
    #[cached_lru]
    async fn load(id: u64) -> Result<Self, String> {
        Ok(Self(id))
    }

    #[cached_lru(skip(Self))]
    async fn count(of: &str) -> usize {
        of.len()
    }

    #[invalidates(User::load(id), Self::count("x"))]
    async fn change(id: u64) {}
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(User::load(1).await, Ok(User(1)));
        assert_eq!(User::load_cache().peek(&1), Some(User(1)));
        assert_eq!(User::count("x").await, 1);
        User::change(1).await;
        assert_eq!((User::load_cache().len(), User::count_cache().len()), (0, 0));
    });
}
