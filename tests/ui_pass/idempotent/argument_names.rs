use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};
use cache_core::idempotent;

#[idempotent(store = store, key = key, scope = (request, outcome), payload = (payload, part, this, value), store_error = |error| error.0)]
async fn create(
    store: &IdempotencyStore,
    key: &str,
    request: u64,
    outcome: String,
    payload: &[u8],
    part: Option<&str>,
    this: i32,
    value: char,
    task: bool,
    result: u8,
    ticket: &str,
    handler: String,
    r#type: u8,
) -> Result<usize, Refused> {
    let names = outcome.len() + payload.len() + part.map_or(0, str::len) + ticket.len() + handler.len();
    Ok(names + usize::from(task) + usize::from(result) + usize::from(r#type))
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Refused(bool);

impl From<IdempotencyError> for Refused {
    fn from(_: IdempotencyError) -> Self {
        Self(false)
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let store = IdempotencyStore::new(MemoryBackend::new());
        for handler in ["h", "repeated"] {
            let created = create(
                &store,
                "k",
                1,
                "o".to_owned(),
                &[1],
                Some("p"),
                2,
                'v',
                true,
                3,
                "t",
                handler.to_owned(),
                4,
            );
            assert_eq!(created.await.unwrap(), 13);
        }
    });
}
