use cache_core::cached_revision;

#[cached_revision(revision = a)]
async fn get((a, b): (u64, u64)) -> u64 {
    a + b
}

fn main() {}
