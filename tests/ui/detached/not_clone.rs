use cache_core::cached_lru;

struct Db;

#[cached_lru(detached, skip(db))]
async fn get(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
