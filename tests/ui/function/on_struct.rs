use cache_core::cached_lru;

#[cached_lru(max_size = 10)]
struct Users {
    id: u64,
}

fn main() {}
