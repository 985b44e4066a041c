#![allow(unused_imports)]

#[deny(warnings, clippy::all, clippy::pedantic, unused, missing_docs)]
mod denied {
    //! Documented.
    use std::collections::HashMap;

    use cache_core::cached_batch;

    /// Documented.
    #[cached_batch(window = "0ms", skip(_db))]
    pub async fn of_ids(_db: u8, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        Ok(ids.iter().map(|id| (*id, *id)).collect())
    }

    /// Documented.
    #[must_use = "it is loaded"]
    #[cached_batch(window = "0ms")]
    pub async fn of_names(names: Vec<String>) -> Result<HashMap<String, u64>, String> {
        Ok(names.into_iter().map(|name| (name, 1)).collect())
    }
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(denied::of_ids(1, 2).await, Ok(Some(2)));
        assert_eq!(denied::of_names("two").await, Ok(Some(1)));
    });
}
