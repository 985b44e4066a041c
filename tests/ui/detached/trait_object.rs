use cache_core::cached_lru;

trait Store {}

#[cached_lru(detached, skip(db))]
async fn get(db: &dyn Store, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
