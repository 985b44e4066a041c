use cache_core::{Cache, cached_in, cached_lru};

#[cached_lru(detached)]
async fn get(this: u64, kind: &str, task: String, given: Option<&str>, is_refresh: bool, load: &[u8], r#type: u8) -> usize {
    kind.len() + task.len() + given.map_or(0, str::len) + load.len() + usize::from(is_refresh) + this as usize + r#type as usize
}

#[derive(Clone)]
struct Users(Cache<(u64, String), u64>);

impl Users {
    #[cached_in(self.0, detached)]
    async fn get(&self, this: u64, name: &str) -> u64 {
        let _ = &self.0;
        this + name.len() as u64
    }
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(1, "a", "b".to_owned(), Some("c"), true, &[1], 2).await, 8);
        let users = Users(Cache::builder().build());
        assert_eq!(users.get(1, "a").await, 2);
    });
}
