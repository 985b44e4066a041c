use cache_core::cached_lru;

#[cached_lru(detached)]
async fn get(id: u64) -> u64 {
    let count = std::rc::Rc::new(id);
    std::future::ready(()).await;
    *count
}

fn main() {}
