use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get(id: u64) {
    let _ = id;
}

fn main() {}
