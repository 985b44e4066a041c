use std::rc::Rc;

use cache_core::cached_lru;

#[cached_lru(detached)]
async fn get(id: u64) -> Rc<u64> {
    Rc::new(id)
}

fn main() {}
