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

#[cached_in(users)]
async fn get_in(users: &Cache<u64, u64>, id: u64) -> u64 {
    id + users.len() as u64
}

#[cached_in(*users)]
async fn get_in_shared(users: Arc<Cache<u64, u64>>, id: u64) -> u64 {
    id + users.len() as u64
}

// What is taken is not said to be unused where only the cache is asked for.
#[deny(unused_variables)]
mod taken {
    use super::*;

    #[cached_in(users, key = id)]
    pub(super) async fn get(users: Cache<u64, u64>, id: u64) -> u64 {
        id + users.len() as u64
    }
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

        assert_eq!(get_in(&app.users, 3).await, 4);
        assert_eq!(get_in::peek(&app.users, 3), Some(4));
        assert_eq!(taken::get(app.users.clone(), 4).await, 6);
        assert_eq!(get_in_shared(Arc::new(app.users.clone()), 5).await, 8);
        assert_eq!(app.users.len(), 4);
    });
}
