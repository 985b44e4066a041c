use cache_core::cached_lru;

fn of_text(text: &String) -> [String; 1] {
    [text.clone()]
}

#[cached_lru(tag_fn = of_text)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
