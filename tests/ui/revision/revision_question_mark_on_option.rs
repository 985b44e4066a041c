use cache_core::cached_revision;

#[cached_revision(revision = id.checked_add(1)?)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
