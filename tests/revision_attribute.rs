//! `#[cached_revision]`: what a function with a revision and its handle do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cache_core::revision::{Lookup, Status};
use cache_core::{cached_revision, invalidates};

#[derive(Clone, Debug, PartialEq)]
struct DbError;

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the database is gone")
    }
}

impl std::error::Error for DbError {}

#[derive(Clone, Default)]
struct Db(Arc<Data>);

#[derive(Default)]
struct Data {
    revision: AtomicU64,
    loads: AtomicU64,
}

impl Db {
    async fn revision(&self, _tables: &[&str]) -> Result<u64, DbError> {
        Ok(self.0.revision.load(SeqCst))
    }

    fn change(&self) {
        self.0.revision.fetch_add(1, SeqCst);
    }

    fn load(&self) -> Arc<u64> {
        self.0.loads.fetch_add(1, SeqCst);
        Arc::new(self.0.revision.load(SeqCst))
    }

    fn loads(&self) -> u64 {
        self.0.loads.load(SeqCst)
    }
}

#[cached_revision(revision = db.revision(&["topics", "tasks"]), on_change = "stale", max_stale = "300s")]
async fn summary_core(db: &Db) -> Result<Arc<u64>, DbError> {
    Ok(db.load())
}

#[cached_revision(revision = db.revision(&["progress_events"]), on_change = "reload", max_stale = "300s")]
async fn recent_progress(db: &Db, user: u64) -> Result<Arc<u64>, DbError> {
    let _ = user;
    Ok(db.load())
}

#[tokio::test]
async fn a_value_lives_as_long_as_its_revision() {
    let db = Db::default();
    assert_eq!(recent_progress(&db, 1).await, Ok(Arc::new(0)));
    assert_eq!(recent_progress(&db, 1).await, Ok(Arc::new(0)));
    assert_eq!(db.loads(), 1);
    db.change();
    let found: Lookup<Arc<u64>> = recent_progress::lookup(&db, 1).await.unwrap();
    assert_eq!((*found.value, found.status), (1, Status::Reloaded));
    assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&1));
    assert_eq!(
        recent_progress::lookup(&db, 1).await.unwrap().status,
        Status::HitRevision
    );
    assert_eq!(recent_progress::lookup(&db, 2).await.unwrap().status, Status::Miss);
    assert_eq!(db.loads(), 3);
    assert_eq!(recent_progress::force(&db, 1).await, Ok(Arc::new(1)));
    assert_eq!(db.loads(), 4);
    assert!(recent_progress::invalidate(1).await);
    assert!(recent_progress::peek(1).is_none());
    assert_eq!(recent_progress::peek(2).map(|it| *it.into_value()), Some(1));
}

#[tokio::test]
async fn stale() {
    let db = Db::default();
    summary_core(&db).await.unwrap();
    db.change();
    let found = summary_core::lookup(&db).await.unwrap();
    assert_eq!((*found.value, found.status), (0, Status::Stale));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let found = summary_core::lookup(&db).await.unwrap();
    assert_eq!((*found.value, found.status), (1, Status::HitRevision));
    assert_eq!(db.loads(), 2);
    touch(&db).await;
    assert!(summary_core::peek().is_none());
    assert!(summary_core::last_error().is_none());
}

#[invalidates(summary_core, recent_progress(..))]
async fn touch(db: &Db) {
    db.change();
}

struct Service {
    db: Db,
}

impl Service {
    #[cached_revision(revision = self.db.revision(&["a"]), skip(self), max_size = 10, tags("service"), tag_fn = |value| [format!("v{value}")])]
    async fn summary(&self, id: u64) -> Result<Arc<u64>, DbError> {
        let _ = id;
        Ok(self.db.load())
    }
}

#[tokio::test]
async fn method() {
    let service = Service { db: Db::default() };
    assert_eq!(service.summary(1).await, Ok(Arc::new(0)));
    assert_eq!(service.summary_lookup(1).await.unwrap().status, Status::HitRevision);
    assert_eq!(service.summary_force(1).await, Ok(Arc::new(0)));
    assert_eq!(service.db.loads(), 2);
    assert!(Service::summary_last_error().is_none());
}
