use cache_core::cached_ttl;

struct Page<'a>(&'a str);

#[cached_ttl(stale_while_revalidate = "30s", skip(db))]
async fn get<'a>(db: Page<'a>, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}
