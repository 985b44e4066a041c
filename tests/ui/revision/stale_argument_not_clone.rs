use cache_core::cached_revision;

struct Db;

#[cached_revision(revision = 1, on_change = "stale", skip(db))]
async fn get(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
