use cache_core::invalidates;

struct Users;

#[invalidates(get)]
impl Users {
    async fn get(&self) {}
}

fn main() {}
