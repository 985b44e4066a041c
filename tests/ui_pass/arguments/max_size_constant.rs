use cache_core::cached_lru;

const MAX_SIZE: usize = 2;

#[cached_lru(max_size = MAX_SIZE * 2)]
async fn get(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        for id in 0..9 {
            get(id).await;
        }
        assert_eq!(get::stats().len, 4);
    });
}
