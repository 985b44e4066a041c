use cache_core::cached_lru;

fn is_send<T: Send>(value: T) -> T {
    value
}

#[cached_lru(skip(db))]
async fn get(db: &str, id: String) -> String {
    std::future::ready(()).await;
    format!("{db}{id}")
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(is_send(get("a", "b".to_owned())).await, "ab");
    });
}
