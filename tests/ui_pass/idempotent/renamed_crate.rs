mod elsewhere {
    pub use ::cache_core as renamed;
}

mod inner {
    use super::elsewhere::renamed::idempotency::{IdempotencyError, IdempotencyStore};

    #[super::elsewhere::renamed::idempotent(
        store = replay,
        key = key,
        scope = ("main", user),
        payload = user,
        ignore("sent_at"),
        name = "create",
        crate = super::elsewhere::renamed
    )]
    pub async fn create(replay: &IdempotencyStore, key: &str, user: super::User) -> Result<u64, IdempotencyError> {
        Ok(1)
    }
}

#[derive(Clone, serde::Serialize)]
pub struct User(u64);

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

pub fn main() {
    futures::executor::block_on(async {
        use elsewhere::renamed::idempotency::{IdempotencyStore, MemoryBackend};
        let replay = IdempotencyStore::new(MemoryBackend::new());
        assert_eq!(inner::create(&replay, "a", User(1)).await.unwrap(), 1);
        assert_eq!(inner::create::NAME, "create");
    });
}
