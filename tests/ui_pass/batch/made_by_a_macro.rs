use std::collections::HashMap;

use cache_core::cached_batch;

macro_rules! loader {
    ($name:ident, $key:ty, $keys:ident: $list:ty, $error:ty) => {
        #[cached_batch(window = "0ms", max_batch = 5)]
        async fn $name($keys: $list) -> Result<HashMap<$key, usize>, $error> {
            let mut found = HashMap::new();
            for key in $keys {
                found.insert(key.clone(), 1);
            }
            Ok(found)
        }
    };
}

loader!(of_numbers, u64, numbers: &[u64], String);
loader!(of_texts, String, texts: Vec<String>, std::fmt::Error);

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(of_numbers(1).await, Ok(Some(1)));
        assert_eq!(of_texts("a").await, Ok(Some(1)));
    });
}
