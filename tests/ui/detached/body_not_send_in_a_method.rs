use cache_core::cached_lru;

#[derive(Clone)]
struct Users;

impl Users {
    #[cached_lru(detached, skip(self))]
    async fn get(&self, id: u64) -> u64 {
        let count = std::rc::Rc::new(id);
        std::future::ready(()).await;
        *count
    }
}

fn main() {}
