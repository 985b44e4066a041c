use cache_core::cached_revision;

#[derive(Clone, PartialEq, Eq)]
struct Id(u64);

#[cached_revision(revision = 1)]
async fn get(id: Id) -> u64 {
    id.0
}

fn main() {}
