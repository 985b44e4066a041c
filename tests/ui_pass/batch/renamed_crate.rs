#[crate::batch_renamed::other::cached_batch(window = "0ms", crate = crate::batch_renamed::other)]
async fn get(ids: &[u64]) -> Result<std::collections::HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, 1)).collect())
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, Ok(Some(1)));
    });
}
