use cache_core::cached_lru;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Page<'a>(&'a str);

#[cached_lru]
async fn get(page: Page<'_>) -> usize {
    page.0.len()
}

fn main() {}
