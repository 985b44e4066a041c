#[deny(warnings, clippy::all, clippy::pedantic, unused, missing_docs, missing_debug_implementations, unsafe_code)]
mod denied {
    //! Documented.
    use std::sync::Arc;

    use cache_core::cached_revision;

    /// Documented.
    #[derive(Clone, Debug)]
    pub struct Db(pub Arc<u64>);

    impl Db {
        async fn revision(&self) -> Result<u64, std::io::Error> {
            std::future::ready(()).await;
            Ok(*self.0)
        }

        /// Documented.
        #[cached_revision(revision = self.revision(), skip(self), on_change = "stale")]
        pub async fn get(&self, id: u64) -> u64 {
            id
        }
    }

    /// Documented.
    #[cached_revision(revision = db.revision())]
    pub async fn reload(db: &Db, _id: u64, name: &str) -> Result<u64, std::fmt::Error> {
        Ok(*db.0 + name.len() as u64)
    }

    /// Documented.
    #[must_use = "it is loaded"]
    #[cached_revision(revision = db.revision().await?, on_change = "stale", max_stale = "5m", retry_after = "1s")]
    pub async fn stale(db: &Db, _id: u64, name: Option<&str>) -> u64 {
        *db.0 + name.map_or(0, str::len) as u64
    }

    /// What the pattern also binds is for the body.
    #[cached_revision(revision = a.len())]
    pub async fn taken_apart(Both(a, b): &Both, id: u64) -> usize {
        a.len() + b.len() + usize::from(id > 0)
    }

    /// Documented.
    #[derive(Debug)]
    pub struct Both(pub String, pub String);

    /// Documented.
    #[cached_revision(revision = etag, skip(etag))]
    pub async fn lent(etag: String) -> String {
        etag
    }
}

pub fn main() {
    futures::executor::block_on(async {
        let db = denied::Db(std::sync::Arc::new(1));
        assert_eq!((db.get(1).await, denied::reload(&db, 1, "a").await, denied::stale(&db, 1, None).await), (1, Ok(2), 1));
        assert_eq!(denied::taken_apart(&denied::Both("a".to_owned(), "b".to_owned()), 1).await, 3);
        assert_eq!(denied::lent("a".to_owned()).await, "a");
    });
}
