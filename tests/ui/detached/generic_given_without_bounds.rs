use cache_core::cached_lru;

#[cached_lru(detached, skip(db))]
async fn get<D: ToString>(db: D, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
