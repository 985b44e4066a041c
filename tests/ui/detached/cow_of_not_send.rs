use std::borrow::Cow;
use std::rc::Rc;

use cache_core::cached_lru;

#[cached_lru(detached, skip(db))]
async fn get(db: Cow<'_, [Rc<u8>]>, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
