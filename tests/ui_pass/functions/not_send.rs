use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> u64 {
    let local = std::rc::Rc::new(id);
    std::future::ready(()).await;
    *local
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1).await, 1);
    });
}
