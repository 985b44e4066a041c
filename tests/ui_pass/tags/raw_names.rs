use cache_core::{cached_lru, invalidates};

#[derive(Clone, PartialEq, Eq, Hash)]
struct Thing {
    r#type: u64,
}

#[cached_lru(tags("raw:{type}", "raw:{r#type}!", "raw:{thing.type}?"))]
async fn r#fn(r#type: u64, thing: &Thing) -> u64 {
    r#type + thing.r#type
}

#[invalidates(tag = "raw:{r#move.type}?")]
async fn change(r#move: Thing) {}

pub fn main() {
    futures::executor::block_on(async {
        let thing = Thing { r#type: 2 };
        for tag in ["raw:1", "raw:1!", "raw:2?"] {
            r#fn(1, &thing).await;
            assert_eq!(cache_core::invalidate_tag(tag).await, 1, "{tag}");
        }
        r#fn(1, &thing).await;
        change(thing).await;
        assert_eq!(r#fn::stats().len, 0);
    });
}
