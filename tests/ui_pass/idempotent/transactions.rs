//! Only has to compile: what happens is tested with a database.

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, PgBackend};
use cache_core::idempotent;
use sqlx::{Postgres, Transaction};

type Tx<'t> = Transaction<'t, Postgres>;

/// Lent, and not copied.
struct NotClone<'n>(&'n str);

#[idempotent(store = replay, key = key, scope = ("main", user.0), payload = (), tx = db, ignore("a"))]
async fn create(
    replay: &IdempotencyStore<PgBackend>,
    key: &str,
    user: NotClone<'_>,
    mut list: Vec<&u8>,
    db: &mut Tx<'_>,
) -> Result<usize, IdempotencyError> {
    list.push(&1);
    by_value(db).await;
    Ok(list.len())
}

async fn by_value<T>(_: T) {}

#[idempotent(store = replay, key = key, scope = ("main", 1), payload = (), tx = tx)]
async fn with_lifetimes<'a, 'b>(
    replay: &'a IdempotencyStore<PgBackend>,
    key: &'a str,
    tx: &'a mut Transaction<'b, Postgres>,
) -> Result<String, IdempotencyError> {
    let _ = tx;
    Ok(key.to_owned())
}

struct Orders(IdempotencyStore<PgBackend>);

impl Orders {
    #[idempotent(store = self.0, key = key, scope = ("main", 1), payload = (), tx = tx, name = "Orders::create")]
    async fn create(&mut self, key: &str, tx: &mut Tx<'_>) -> Result<u64, IdempotencyError> {
        Ok(1)
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

async fn calls(mut orders: Orders, mut tx: Tx<'static>) {
    let replay = orders.0.clone();
    let _ = is_send(create(&replay, "a", NotClone("b"), Vec::new(), &mut tx)).await;
    let _ = is_send(orders.create("a", &mut tx)).await;
    let _ = is_send(with_lifetimes(&replay, "a", &mut tx)).await;
}

pub fn main() {
    let _ = calls;
}
