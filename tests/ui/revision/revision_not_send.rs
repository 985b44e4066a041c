use cache_core::cached_revision;

use std::rc::Rc;

#[cached_revision(revision = Rc::new(1_u64))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
