use cache_core::{Cache, invalidates};

static USERS: std::sync::LazyLock<Cache<u64, u64>> = std::sync::LazyLock::new(|| Cache::builder().build());

#[invalidates(USERS)]
async fn rename(user: u64) {
    let _ = user;
}

fn main() {}
