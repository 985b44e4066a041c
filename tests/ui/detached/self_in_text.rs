use cache_core::{Cache, cached_in};

#[derive(Clone)]
struct Users(Cache<u64, String>);

impl std::fmt::Display for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("users")
    }
}

impl Users {
    #[cached_in(self.0, detached)]
    async fn get(&self, id: u64) -> String {
        format!("{self}{id}")
    }
}

fn main() {}
