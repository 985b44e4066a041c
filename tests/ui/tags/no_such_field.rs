use cache_core::cached_lru;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Id(u64);

#[cached_lru(tags("user:{id.name}"))]
async fn get(id: Id) -> u64 {
    id.0
}

fn main() {}
