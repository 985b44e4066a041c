use cache_core::cached_revision;

struct Page;

#[cached_revision(revision = 1, on_change = "stale")]
async fn get(id: u64) -> Result<Page, std::io::Error> {
    let _ = id;
    Ok(Page)
}

fn main() {}
