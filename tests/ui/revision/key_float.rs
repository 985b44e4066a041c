use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get(x: f64) -> u64 {
    x as u64
}

fn main() {}
