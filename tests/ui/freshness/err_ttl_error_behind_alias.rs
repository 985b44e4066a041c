use cache_core::cached_ttl;

struct DbError;

type Res<T> = Result<T, DbError>;

#[cached_ttl(err_ttl = "1s")]
async fn get(id: u64) -> Res<u64> {
    Ok(id)
}

fn main() {}
