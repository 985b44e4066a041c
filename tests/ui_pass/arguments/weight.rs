use cache_core::cached_lru;

const MAX_WEIGHT: u64 = 10;

fn weigh(_: &u64, text: &String) -> u32 {
    text.len() as u32
}

#[cached_lru(max_weight = MAX_WEIGHT, weigher = weigh)]
async fn get(id: u64) -> String {
    "x".repeat(id as usize)
}

pub fn main() {
    futures::executor::block_on(async {
        get(9).await;
        get(20).await;
        assert_eq!((get::peek(9).is_some(), get::peek(20).is_some()), (true, false));
    });
}
