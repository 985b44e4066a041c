use cache_core::cached_revision;

struct Db;

fn version(_: &Db) -> u64 {
    1
}

#[cached_revision(revision = version(db))]
async fn get(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
