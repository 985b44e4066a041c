use cache_core::cached_lru;

#[derive(Clone, Hash)]
struct Id(u64);

#[cached_lru]
async fn get(id: &Id) -> u64 {
    id.0
}

fn main() {}
