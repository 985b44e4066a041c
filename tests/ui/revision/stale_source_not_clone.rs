use cache_core::cached_revision;

struct Db;

impl Db {
    fn revision(&self) -> u64 {
        1
    }
}

#[cached_revision(revision = db.revision(), on_change = "stale")]
async fn get(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
