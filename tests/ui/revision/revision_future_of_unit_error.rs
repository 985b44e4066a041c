use cache_core::cached_revision;

async fn version() -> Result<u64, ()> {
    Ok(1)
}

#[cached_revision(revision = version())]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
