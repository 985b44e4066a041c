use cache_core::cached_revision;

#[derive(Clone)]
struct Version(u64);

#[cached_revision(revision = Version(id))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
