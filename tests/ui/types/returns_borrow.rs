use cache_core::cached_lru;

#[cached_lru]
async fn get<'a>(text: &'a str) -> Option<std::borrow::Cow<'a, str>> {
    Some(text.into())
}

fn main() {}
