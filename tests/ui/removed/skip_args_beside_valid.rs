use cache_core::cached_lru;

#[cached_lru(max_size = 10, skip_args = 1, ttl = "60s")]
async fn get(db: &str, id: u64) -> u64 {
    db.len() as u64 + id
}

fn main() {}
