use cache_core::cached_revision;

use std::rc::Rc;

#[cached_revision(revision = 1, on_change = "stale", skip(one))]
async fn get(one: Rc<u64>, id: u64) -> u64 {
    *one + id
}

fn main() {}
