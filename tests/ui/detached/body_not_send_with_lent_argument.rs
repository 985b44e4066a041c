use cache_core::cached_lru;

#[cached_lru(detached)]
async fn get(id: u64, name: &str) -> u64 {
    let count = std::rc::Rc::new(id);
    std::future::ready(()).await;
    *count + name.len() as u64
}

fn main() {}
