use cache_core::cached_lru;

struct Users(std::rc::Rc<u8>);

impl Users {
    #[cached_lru(detached, skip(self))]
    async fn get(self, id: u64) -> u64 {
        id
    }
}

fn main() {}
