use cache_core::cached_revision;

#[cached_revision(revision = 1)]
struct Service;

fn main() {}
