use cache_core::cached_lru;

#[cached_lru]
async fn get(id: u64) -> std::rc::Rc<u64> {
    std::rc::Rc::new(id)
}

fn main() {}
