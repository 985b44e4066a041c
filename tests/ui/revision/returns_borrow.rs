use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get(name: &str) -> &str {
    name
}

fn main() {}
