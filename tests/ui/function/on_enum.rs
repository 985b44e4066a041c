use cache_core::cached_ttl;

#[cached_ttl(ttl = "5s")]
pub enum Users {
    One,
}

fn main() {}
