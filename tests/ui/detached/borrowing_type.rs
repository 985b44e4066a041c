use cache_core::cached_lru;

struct Page<'a>(&'a str);

#[cached_lru(detached, skip(db))]
async fn get(db: Page<'_>, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
