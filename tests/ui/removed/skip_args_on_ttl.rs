use cache_core::cached_ttl;

#[cached_ttl(skip_args = 1)]
async fn get(db: &str, id: u64) -> u64 {
    db.len() as u64 + id
}

fn main() {}
