use cache_core::cached_revision;

#[derive(Clone)]
struct Db;

impl Db {
    async fn revision(&self, _: &[&str]) -> Result<u64, std::io::Error> {
        Ok(1)
    }
}

#[cached_revision(revision = db.revison(&["topics"]))]
async fn get(db: &Db) -> u64 {
    let _ = db;
    1
}

fn main() {}
