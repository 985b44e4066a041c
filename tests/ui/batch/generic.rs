use cache_core::cached_batch;

#[cached_batch]
async fn load_users<T: Clone>(ids: &[T]) -> Result<Vec<(T, u64)>, String> {
    Ok(ids.iter().map(|id| (id.clone(), 1)).collect())
}

fn main() {}
