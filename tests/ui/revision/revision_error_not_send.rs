use cache_core::cached_revision;

use std::error::Error;

async fn version() -> Result<u64, Box<dyn Error>> {
    Ok(1)
}

#[cached_revision(revision = version())]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
