use cache_core::cached_lru;

#[cached_lru(detached)]
async fn name(name: &str) -> &str {
    name
}

fn main() {}
