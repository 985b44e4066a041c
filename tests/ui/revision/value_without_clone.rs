use cache_core::cached_revision;

struct Page;

#[cached_revision(revision = 1)]
async fn get(id: u64) -> Page {
    let _ = id;
    Page
}

fn main() {}
