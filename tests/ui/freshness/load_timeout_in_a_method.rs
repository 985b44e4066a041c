use cache_core::cached_ttl;

struct DbError;

#[derive(Clone)]
struct Users;

impl Users {
    #[cached_ttl(load_timeout = "2s", skip(self))]
    async fn get(&self, id: u64) -> Result<u64, DbError> {
        Ok(id)
    }
}

fn main() {}
