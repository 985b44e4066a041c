use cache_core::cached_lru;

#[derive(Clone)]
struct Db(std::rc::Rc<u8>);

#[cached_lru(detached, skip(db))]
async fn get(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
