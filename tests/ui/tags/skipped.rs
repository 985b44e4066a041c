use cache_core::cached_lru;

#[cached_lru(skip(db), tags("user:{id}", "db:{db}"))]
async fn get(db: &str, id: u64) -> u64 {
    db.len() as u64 + id
}

fn main() {}
