use cache_core::cached_lru;

struct Db;

struct Page<'a>(&'a str);

#[cached_lru(detached, skip(db, more, page))]
async fn get(db: &Db, more: &mut u8, id: u64, page: Page<'_>) -> u64 {
    let _ = (db, more, page);
    id
}

fn main() {}
