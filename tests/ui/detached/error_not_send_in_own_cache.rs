use cache_core::{Cache, cached_in};

#[derive(Clone)]
struct Users(Cache<u64, u64>);

impl Users {
    #[cached_in(self.0, detached)]
    async fn get(&self, id: u64) -> Result<u64, Box<dyn std::error::Error>> {
        Ok(id)
    }
}

fn main() {}
