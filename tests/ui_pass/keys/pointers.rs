use std::ops::Deref;

use cache_core::{cached_lru, invalidates};

struct Pair<T>([T; 2]);

impl<T> Deref for Pair<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

mod small {
    pub(crate) type Vec<T> = super::Pair<T>;
}

#[cached_lru]
async fn sum(deep: &&&str, number: &&u64, text: &String, pair: small::Vec<u8>) -> usize {
    deep.len() + **number as usize + text.len() + pair.len()
}

#[invalidates(sum(deep, number, String::from("text"), [1, 2].as_slice()))]
async fn change(deep: &str, number: u64) {
    let _ = (deep, number);
}

pub fn main() {
    futures::executor::block_on(async {
        let text = String::from("text");
        assert_eq!(sum(&&"deep", &&7, &text, Pair([1, 2])).await, 17);
        assert_eq!(sum::peek(&&"deep", &&7, &text, Pair([1, 2])), Some(17));
        change("deep", 7).await;
        assert_eq!(sum::peek(&&"deep", &&7, &text, Pair([1, 2])), None);
    });
}
