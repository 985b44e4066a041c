use cache_core::cached_batch;

#[derive(Clone, PartialEq, Eq)]
struct Id(u64);

#[cached_batch]
async fn load_users(ids: &[Id]) -> Result<Vec<(Id, u64)>, String> {
    Ok(ids.iter().map(|id| (id.clone(), id.0)).collect())
}

fn main() {}
