use cache_core::{Cache, cached_in};

#[derive(Clone, PartialEq, Eq, Hash)]
struct Id(u64);

struct Shop(Cache<Id, u64>);

impl Shop {
    #[cached_in(self.0, tags("user:{id}"))]
    async fn get(&self, id: Id) -> u64 {
        id.0
    }
}

fn main() {}
