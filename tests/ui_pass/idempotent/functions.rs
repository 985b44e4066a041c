use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome};
use cache_core::idempotent;
use serde::Serialize;
use serde::de::DeserializeOwned;

type Created<T = u64> = Result<T, IdempotencyError>;

mod orders {
    use super::{Created, IdempotencyStore, idempotent};

    #[doc = "Creates."]
    #[must_use]
    #[cfg(all())]
    #[idempotent(store = replay, key = key, scope = ("main", 1), payload = (),)]
    pub(crate) async fn create(replay: &IdempotencyStore, key: &str) -> Created {
        Ok(1)
    }

    #[cfg(any())]
    #[idempotent(store = replay, key = key, scope = ("main", 1), payload = ())]
    pub(crate) async fn left_out(replay: &IdempotencyStore, key: &str) -> Created {
        Ok(1)
    }

    pub mod again {
        #[cache_core::idempotent(store = replay, key = key, scope = ("main", 1), payload = ())]
        pub async fn create(replay: &super::IdempotencyStore, key: &str) -> super::Created {
            Ok(2)
        }
    }
}

#[idempotent(store = replay, key = key, scope = ("main", 1), payload = value)]
async fn generic<T, const N: usize>(replay: &IdempotencyStore, key: &str, value: T) -> Result<[T; 1], IdempotencyError>
where
    T: Serialize + DeserializeOwned + Clone + Send + 'static,
{
    let _: [u8; N] = [0; N];
    Ok([value])
}

#[idempotent(store = replay, key = key, scope = ("main", 1), payload = ())]
async fn with_lifetimes<'a, 'b>(replay: &'a IdempotencyStore, key: &'b str) -> Result<String, IdempotencyError> {
    Ok(key.to_owned())
}

macro_rules! made {
    ($name:ident, $key:expr, $returned:ty) => {
        #[idempotent(store = replay, key = $key, scope = ("main", 1), payload = ())]
        async fn $name(replay: &IdempotencyStore) -> $returned {
            Ok(3)
        }
    };
}

made!(by_macro, "a".to_owned() + "b", Created);

fn is_send<T: Send>(value: T) -> T {
    value
}

pub fn main() {
    futures::executor::block_on(async {
        let replay = IdempotencyStore::new(MemoryBackend::new());
        {
            use orders::create;
            assert_eq!(is_send(create(&replay, "a")).await.unwrap(), 1);
            assert_eq!(is_send(create::outcome(&replay, "a")).await.unwrap(), Outcome::Replayed(1));
            assert!(create::NAME.ends_with("functions::orders::create"));
        }
        assert_eq!(orders::again::create(&replay, "a").await.unwrap(), 2);
        assert_eq!(is_send(generic::<_, 3>(&replay, "a", 'x')).await.unwrap(), ['x']);
        assert_eq!(with_lifetimes(&replay, "b").await.unwrap(), "b");
        assert_eq!(by_macro(&replay).await.unwrap(), 3);
    });
}
