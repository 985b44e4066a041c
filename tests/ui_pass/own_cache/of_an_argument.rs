use std::sync::Arc;

use cache_core::{Cache, cached_in, invalidates};

struct App {
    users: Cache<u64, u64>,
}

#[cached_in(app.users)]
async fn get(app: &App, id: u64) -> u64 {
    id
}

#[cached_in(app.users, key = id)]
async fn get_owned(app: Arc<App>, id: u64) -> u64 {
    id + app.users.len() as u64
}

#[invalidates(app.users(id))]
async fn change(app: &App, id: u64) {}

pub fn main() {
    futures::executor::block_on(async {
        let app = Arc::new(App {
            users: Cache::builder().build(),
        });
        get(&app, 1).await;
        get_owned(app.clone(), 2).await;
        assert_eq!(app.users.len(), 2);
        assert_eq!(get::peek(&app, 1), Some(1));
        change(&app, 1).await;
        assert_eq!(app.users.len(), 1);
    });
}
