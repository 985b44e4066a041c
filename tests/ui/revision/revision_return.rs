use cache_core::cached_revision;

#[cached_revision(revision = { if id == 0 { return 0; } id })]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
