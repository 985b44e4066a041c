use cache_core::cached_lru;

struct Db;

struct Other(*const u8);

#[cached_lru(detached, skip(db, more))]
async fn get(db: &Db, more: Other, id: u64) -> u64 {
    let _ = (db, more);
    id
}

fn main() {}
