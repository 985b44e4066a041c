use cache_core::{cached_lru, invalidates};

#[cached_lru]
async fn get(id: u64, region: &str) -> u64 {
    id + region.len() as u64
}

struct Event {
    id: u32,
    region: String,
}

#[invalidates(get(event.id as u64, event.region), get(u64::from(event.id) + 1, "us"))]
async fn change(event: Event) -> String {
    event.region
}

pub fn main() {
    futures::executor::block_on(async {
        get(1, "eu").await;
        get(2, "us").await;
        assert_eq!(
            change(Event {
                id: 1,
                region: "eu".into()
            })
            .await,
            "eu"
        );
        assert_eq!(get::stats().len, 0);
    });
}
