//! Removing what has expired.

use std::time::Duration;

use tokio::task::AbortHandle;

use super::backend::Backend;
use super::lease::sleep;
use super::store::IdempotencyStore;
use crate::background;

/// How many records a sweeper removes at once: few enough that each removal is short.
const BATCH: u32 = 1_000;

impl<B: Backend> IdempotencyStore<B> {
    /// Removes expired records, at most `batch` of them, and says how many it removed. When that is less than `batch`, none is left but those
    /// that somebody is just claiming.
    ///
    /// # Errors
    /// Those of the backend.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = IdempotencyStore::new(MemoryBackend::new());
    /// assert_eq!(store.delete_expired(1_000).await.unwrap(), 0);
    /// # }
    /// ```
    pub async fn delete_expired(&self, batch: u32) -> Result<u64, B::Error> {
        self.backend().delete_expired(batch).await
    }

    /// Removes expired records every so often, until the [`Sweeper`] is dropped. One for each table is enough, and more do no harm. What fails is
    /// logged, and tried again the next time.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = IdempotencyStore::new(MemoryBackend::new());
    /// let sweeper = store.sweep_every(Duration::from_secs(60));
    /// # drop(sweeper);
    /// # }
    /// ```
    pub fn sweep_every(&self, interval: Duration) -> Sweeper {
        let store = self.clone();
        let task = background::spawn(async move {
            loop {
                // Never without a pause, whatever was asked for.
                sleep(interval.max(Duration::from_millis(1))).await;
                store.sweep().await;
            }
        });
        Sweeper {
            task: task.ok().map(|task| task.abort_handle()),
        }
    }

    async fn sweep(&self) {
        loop {
            match self.delete_expired(BATCH).await {
                // Others have their turn in between, and whoever drops the sweeper.
                Ok(removed) if removed >= u64::from(BATCH) => tokio::task::yield_now().await,
                Ok(_) => return,
                Err(error) => {
                    log::warn!("cache-core: expired idempotency records could not be removed: {error}");
                    return;
                }
            }
        }
    }
}

/// Removes expired records until it is dropped.
///
/// # Example: for as long as the service runs
/// ```
/// # use std::time::Duration;
/// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let store = IdempotencyStore::new(MemoryBackend::new());
/// let _sweeper = store.sweep_every(Duration::from_secs(60));
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Sweeper {
    task: Option<AbortHandle>,
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
