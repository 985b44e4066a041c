use cache_core::cached_lru;

fn keep(value: &u64) -> bool {
    *value > 5
}

#[cached_lru(cache_if = keep)]
async fn get(id: u64) -> Result<u64, String> {
    Ok(id)
}

pub fn main() {
    futures::executor::block_on(async {
        get(1).await.unwrap();
        get(9).await.unwrap();
        assert_eq!((get::peek(1), get::peek(9)), (None, Some(9)));
    });
}
