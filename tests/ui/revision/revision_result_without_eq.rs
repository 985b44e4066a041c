use cache_core::cached_revision;

#[derive(Clone)]
struct Version(u64);

async fn version() -> Result<Version, std::io::Error> {
    Ok(Version(1))
}

#[cached_revision(revision = version().await)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
