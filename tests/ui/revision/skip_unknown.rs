use cache_core::cached_revision;

#[cached_revision(revision = 1, skip(db))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
