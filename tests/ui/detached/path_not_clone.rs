use cache_core::cached_lru;

mod db {
    pub struct Db;
}

#[cached_lru(detached, skip(db))]
async fn get(db: &db::Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
