use cache_core::cached_lru;

#[cached_lru(detached, skip(db))]
async fn get(db: Option<&mut u8>, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
