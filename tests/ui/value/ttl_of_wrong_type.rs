use cache_core::cached_ttl;

fn seconds() -> u64 {
    60
}

#[cached_ttl(ttl = seconds())]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
