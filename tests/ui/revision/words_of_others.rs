use cache_core::cached_revision;

#[cached_revision(revision = 1, key = id)]
async fn key_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, detached)]
async fn detached_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, stale_while_revalidate = "1m")]
async fn stale_while_revalidate_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, stale_if_error = "1m")]
async fn stale_if_error_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, jitter = 0.1)]
async fn jitter_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, err_ttl = "1s")]
async fn err_ttl_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, soft_timeout = "1s")]
async fn soft_timeout_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, load_timeout = "1s")]
async fn load_timeout_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, refresh_ahead = 0.8)]
async fn refresh_ahead_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, ttl_fn = |_| std::time::Duration::from_secs(1))]
async fn ttl_fn_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, resource = "cart")]
async fn resource_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, scope = "session")]
async fn scope_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, window = "5ms")]
async fn window_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, max_batch = 10)]
async fn max_batch_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, none_ttl = "1s")]
async fn none_ttl_(id: u64) -> u64 {
    id
}

#[cached_revision(revision = 1, skip_args(id))]
async fn skip_args_(id: u64) -> u64 {
    id
}

fn main() {}
