use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get(names: Vec<&str>) -> usize {
    names.len()
}

fn main() {}
