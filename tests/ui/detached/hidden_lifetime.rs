use cache_core::cached_lru;

#[derive(Clone)]
struct Page<'a>(&'a str);

#[cached_lru(detached, skip(db))]
async fn get(db: &Page, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
