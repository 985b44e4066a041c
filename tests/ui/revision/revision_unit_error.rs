use cache_core::cached_revision;

#[cached_revision(revision = Err::<u64, ()>(()))]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
