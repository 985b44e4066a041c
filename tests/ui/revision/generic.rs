use cache_core::cached_revision;

#[cached_revision(revision = 1)]
async fn get<T: Clone + Send + Sync + 'static>(id: T) -> T {
    id
}

fn main() {}
