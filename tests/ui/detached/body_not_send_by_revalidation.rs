use cache_core::cached_ttl;

#[cached_ttl(stale_while_revalidate = "30s")]
async fn get(id: u64) -> u64 {
    let count = std::rc::Rc::new(id);
    std::future::ready(()).await;
    *count
}

fn main() {}
