use std::rc::Rc;

use cache_core::cached_lru;

#[cached_lru(detached)]
async fn get(id: u64) -> Result<Rc<u64>, String> {
    Ok(Rc::new(id))
}

fn main() {}
