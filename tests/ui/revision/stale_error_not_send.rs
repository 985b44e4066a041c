use cache_core::cached_revision;

use std::error::Error;

#[cached_revision(revision = 1, on_change = "stale")]
async fn get(id: u64) -> Result<u64, Box<dyn Error>> {
    Ok(id)
}

fn main() {}
