use cache_core::cached_ttl;

struct DbError;

#[cached_ttl(load_timeout = "2s", key = id + 1)]
async fn get(id: u64) -> Result<u64, DbError> {
    Ok(id)
}

fn main() {}
