use cache_core::cached_ttl;

struct DbError;

#[cached_ttl(err_ttl = "1s")]
async fn get(id: u64) -> Result<u64, DbError> {
    Ok(id)
}

fn main() {}
