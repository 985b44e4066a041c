use cache_core::cached_revision;

fn touch() {}

#[cached_revision(revision = touch())]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
