use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};
use cache_core::idempotent;
use serde::Serialize;

/// Like those of web frameworks.
#[derive(Clone)]
struct State<T>(T);

struct Json<T>(T);

#[derive(Clone)]
struct App {
    replay: Arc<IdempotencyStore>,
}

#[derive(Serialize)]
struct Order {
    key: String,
    user: u64,
    items: Vec<String>,
}

#[idempotent(store = app.replay, key = order.key, scope = ("main", order.user), payload = order)]
async fn by_pattern(State(app): State<App>, Json(mut order): Json<Order>, _: &str) -> Result<usize, IdempotencyError> {
    let _ = app;
    order.items.push("gift".to_owned());
    Ok(order.items.len())
}

#[idempotent(store = replay, key = headers.get("idempotency-key"), scope = (&user.0, user.1), payload = (name, list, more))]
async fn of_every_kind(
    replay: &Arc<IdempotencyStore>,
    headers: &HashMap<String, String>,
    user: (String, u8),
    name: Cow<'_, str>,
    list: &[u64],
    more: Option<&Vec<u8>>,
    mut count: usize,
    _ignored: Box<dyn Fn() -> u8 + Send>,
    fixed: &'static str,
) -> Result<usize, IdempotencyError> {
    count += name.len() + list.len() + more.map_or(0, Vec::len) + user.0.len() + fixed.len();
    Ok(count)
}

#[idempotent(store = replay, key = key.to_string(), scope = (format!("{}", 1 + 1), user), payload = ())]
async fn by_impl(
    replay: IdempotencyStore,
    key: &(impl std::fmt::Display + Clone + Send + Sync + 'static),
    user: impl std::fmt::Display + Send + 'static,
) -> Result<String, IdempotencyError> {
    Ok(format!("{key}{user}"))
}

#[idempotent(store = (if user == 0 { &one } else { &other }), key = Some(key.clone()), scope = ("a", user), payload = user + 1)]
async fn by_expression(
    one: IdempotencyStore,
    other: IdempotencyStore,
    key: String,
    user: u8,
) -> Result<u8, IdempotencyError> {
    Ok(user)
}

pub fn main() {
    futures::executor::block_on(async {
        let replay = Arc::new(IdempotencyStore::new(MemoryBackend::new()));
        let app = App { replay: Arc::clone(&replay) };
        let order = || Order {
            key: "a".to_owned(),
            user: 7,
            items: Vec::new(),
        };
        for _ in 0..2 {
            assert_eq!(by_pattern(State(app.clone()), Json(order()), "x").await.unwrap(), 1);
        }
        assert_eq!(by_pattern::stats().replayed, 1);
        let headers = HashMap::from([("idempotency-key".to_owned(), "b".to_owned())]);
        let user = ("ada".to_owned(), 3);
        let more = vec![2];
        let count = of_every_kind(&replay, &headers, user, "n".into(), &[1], Some(&more), 4, Box::new(|| 1), "s");
        assert_eq!(count.await.unwrap(), 11);
        assert_eq!(by_impl((*replay).clone(), &"c", 'd').await.unwrap(), "cd");
        let (one, other) = ((*replay).clone(), (*replay).clone());
        assert_eq!(by_expression(one, other, "e".to_owned(), 9).await.unwrap(), 9);
    });
}
