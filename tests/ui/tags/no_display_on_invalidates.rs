use cache_core::invalidates;

struct Id(u64);

#[invalidates(tag = "all", tag = "user:{id}")]
async fn change(id: Id) -> u64 {
    id.0
}

fn main() {}
