use cache_core::cached_lru;

#[derive(Clone, PartialEq, Eq)]
struct Id(u64);

#[cached_lru(key = (id, more))]
async fn get(id: Id, more: u64) -> u64 {
    id.0 + more
}

fn main() {}
