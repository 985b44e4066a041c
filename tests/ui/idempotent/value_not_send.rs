use cache_core::idempotency::{IdempotencyError, IdempotencyStore};
use cache_core::idempotent;

struct Receipt(std::rc::Rc<u64>);

impl serde::Serialize for Receipt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Receipt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|number| Self(std::rc::Rc::new(number)))
    }
}

#[derive(Clone)]
struct App {
    replay: IdempotencyStore,
}

#[idempotent(store = app.replay, key = key, scope = ("main", user), payload = req)]
async fn create(app: &App, user: u64, key: &str, req: String) -> Result<Receipt, IdempotencyError> {
    let _ = (app, user, key, req);
    Ok(Receipt(std::rc::Rc::new(1)))
}

fn main() {}
