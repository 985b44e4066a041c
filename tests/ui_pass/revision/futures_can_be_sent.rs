use std::error::Error;
use std::sync::Arc;

use cache_core::cached_revision;

#[derive(Clone)]
struct Db(Arc<u64>);

impl Db {
    async fn revision(&self, tables: &[&str]) -> Result<u64, Box<dyn Error + Send + Sync>> {
        Ok(*self.0 + tables.len() as u64)
    }

    #[cached_revision(revision = self.revision(&["a"]), skip(self))]
    async fn get(&self, id: u64) -> Result<Arc<u64>, Box<dyn Error + Send + Sync>> {
        Ok(Arc::new(id))
    }

    #[cached_revision(revision = self.revision(&["a"]), skip(self), on_change = "stale")]
    async fn get_stale(&self, id: u64) -> Result<Arc<u64>, Box<dyn Error + Send + Sync>> {
        Ok(Arc::new(id))
    }
}

#[cached_revision(revision = db.revision(&["a"]))]
async fn reload(db: &Db, name: &str) -> Result<Arc<usize>, Box<dyn Error + Send + Sync>> {
    let _ = db;
    Ok(Arc::new(name.len()))
}

#[cached_revision(revision = db.revision(&["a"]).await?, on_change = "stale")]
async fn stale(db: &Db, name: Option<&str>) -> Result<Arc<usize>, Box<dyn Error + Send + Sync>> {
    let _ = db;
    Ok(Arc::new(name.map_or(0, str::len)))
}

// It calls itself by another, and what it reads is compared once more.
#[cached_revision(revision = db.revision(&["a"]), on_change = "stale")]
async fn through(db: Db, id: u64) -> Result<Arc<u64>, Box<dyn Error + Send + Sync>> {
    reload(&db, "a").await?;
    db.get(id).await
}

fn is_send<T: Send + 'static>(it: T) -> T {
    it
}

pub fn main() {
    let db = Db(Arc::new(1));
    futures::executor::block_on(is_send(async move {
        let name = "a".to_owned();
        reload(&db, &name).await.unwrap();
        reload::lookup(&db, &name).await.unwrap();
        reload::force(&db, &name).await.unwrap();
        stale(&db, Some(&name)).await.unwrap();
        stale::lookup(&db, Some(&name)).await.unwrap();
        stale::force(&db, Some(&name)).await.unwrap();
        through(db.clone(), 1).await.unwrap();
        db.get(1).await.unwrap();
        db.get_lookup(1).await.unwrap();
        db.get_stale(1).await.unwrap();
        db.get_stale_force(1).await.unwrap();
        assert!(reload::invalidate(&name).await);
        reload::clear().await;
    }));
}
