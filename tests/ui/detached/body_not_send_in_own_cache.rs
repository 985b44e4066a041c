use cache_core::{Cache, cached_in};

#[derive(Clone)]
struct Users(Cache<u64, u64>);

impl Users {
    #[cached_in(self.0, detached)]
    async fn get(&self, id: u64) -> u64 {
        let count = std::rc::Rc::new(id);
        std::future::ready(()).await;
        *count
    }
}

fn main() {}
