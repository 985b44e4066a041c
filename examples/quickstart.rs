//! What a cached function does: a miss, a hit, a write that evicts, and the numbers.
//!
//! `cargo run --example quickstart`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;

use cache_core::{cached_lru, cached_ttl, invalidates};
use tokio::sync::Mutex;

/// Stands for a database.
type Db = Mutex<HashMap<u64, String>>;

/// Its results are cached by `id`; `db` is no part of the key. Of a `Result` only `Ok` is kept.
#[cached_lru(max_size = 100, skip(db))]
async fn get_user(db: &Db, id: u64) -> Result<String, String> {
    println!("  reading user {id} from the database");
    let users = db.lock().await;
    users.get(&id).cloned().ok_or_else(|| format!("there is no user {id}"))
}

/// Kept for five minutes at most, for the changes that nobody announces.
#[cached_ttl(ttl = "5m", skip(db))]
async fn count_names(db: &Db, initial: char) -> usize {
    println!("  counting names with {initial} in the database");
    let users = db.lock().await;
    users.values().filter(|name| name.starts_with(initial)).count()
}

/// Evicts that user and all counts before the body runs; what is loaded while it runs is not kept either.
#[invalidates(get_user(id), count_names(..))]
async fn rename_user(db: &Db, id: u64, name: &str) {
    println!("  renaming user {id}, of whom the cache has {:?}", get_user::peek(id));
    db.lock().await.insert(id, name.to_owned());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Db::new(HashMap::from([(7, "Ada".to_owned()), (8, "Alan".to_owned())]));

    println!("miss: {}", get_user(&db, 7).await?); // runs the body
    println!("hit:  {}", get_user(&db, 7).await?); // does not
    println!("names with A: {}", count_names(&db, 'A').await);

    rename_user(&db, 7, "Grace").await;
    println!("miss: {}", get_user(&db, 7).await?);
    println!("names with A: {}", count_names(&db, 'A').await);

    // An error is handed on, and not kept.
    println!("error: {:?}, cached: {:?}", get_user(&db, 9).await, get_user::peek(9));

    // Each cached function has a handle of its own name: `stats`, `peek`, `insert`, `invalidate`, `refresh` and more.
    println!("get_user: {}", get_user::stats());
    println!("count_names: {}", count_names::stats());
    Ok(())
}
