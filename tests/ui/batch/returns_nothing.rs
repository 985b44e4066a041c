use cache_core::cached_batch;

#[cached_batch]
async fn load_users(ids: &[u64]) {
    drop(ids.to_vec());
}

fn main() {}
