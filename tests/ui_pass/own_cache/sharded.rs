use cache_core::{Cache, cached_in};

struct App {
    shards: [Cache<u64, u64>; 4],
}

#[cached_in(app.shards[id as usize % 4], key = id)]
async fn get(app: &App, id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        let app = App {
            shards: std::array::from_fn(|_| Cache::builder().build()),
        };
        for id in 0..8 {
            assert_eq!(get(&app, id).await, id);
        }
        assert!(app.shards.iter().all(|shard| shard.len() == 2));
    });
}
