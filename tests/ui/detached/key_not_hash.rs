use cache_core::cached_lru;

#[derive(Clone, PartialEq, Eq)]
struct Id(u64);

#[cached_lru(detached)]
async fn get(id: Id) -> u64 {
    id.0
}

fn main() {}
