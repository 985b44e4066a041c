//! The store as its users have it.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use super::backend::Backend;
use super::config::{Config, Rules, StoreBuilder};
use super::flights::Flights;
use super::memory::MemoryBackend;
use super::outcome::Rule;
use super::stats::{Counters, ReplayStats};
use crate::clock::Clock;

/// Runs requests once for each key, and replays what they returned.
///
/// It is a cheap clone of one shared store. Workers share records by sharing the backend's: all that use one table of one database see to
/// it together that a request runs once.
///
/// # Example: two attempts, one effect
/// ```
/// use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Request};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), IdempotencyError> {
/// let store = IdempotencyStore::new(MemoryBackend::new());
/// let order = || Request::new("orders::create").scope("acme", "ada").key("8e03978e").payload("shoes");
/// store.run(order(), || async { Ok::<_, IdempotencyError>(1) }).await?;
/// let outcome = store.run(order(), || async { Ok::<_, IdempotencyError>(2) }).await?;
/// assert_eq!(outcome.into_inner(), 1);
/// assert_eq!(store.stats().replayed, 1);
/// # Ok(()) }
/// ```
pub struct IdempotencyStore<B = MemoryBackend>(Arc<Inner<B>>);

struct Inner<B> {
    backend: B,
    config: Config,
    rules: Rules,
    counters: Counters,
    flights: Arc<Flights>,
    clock: Clock,
}

impl<B: Backend> IdempotencyStore<B> {
    /// One with the defaults that [`StoreBuilder`] names.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let store = IdempotencyStore::new(MemoryBackend::new());
    /// # drop(store);
    /// ```
    pub fn new(backend: B) -> Self {
        let defaults = StoreBuilder::new(backend);
        Self::with(defaults.backend, defaults.config, defaults.rules)
    }

    /// Sets one up.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};
    /// let store = IdempotencyStore::builder(MemoryBackend::new()).wait(Duration::from_secs(1)).build()?;
    /// # drop(store);
    /// # Ok::<(), IdempotencyError>(())
    /// ```
    pub fn builder(backend: B) -> StoreBuilder<B> {
        StoreBuilder::new(backend)
    }

    pub(super) fn with(backend: B, config: Config, rules: Rules) -> Self {
        Self(Arc::new(Inner {
            backend,
            config,
            rules,
            counters: Counters::new(),
            flights: Arc::default(),
            clock: Clock::system(),
        }))
    }

    /// Where its records are.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let store = IdempotencyStore::new(MemoryBackend::new());
    /// assert!(store.backend().is_empty());
    /// ```
    pub fn backend(&self) -> &B {
        &self.0.backend
    }

    /// What has come of the calls through this store, in this process.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// assert_eq!(IdempotencyStore::new(MemoryBackend::new()).stats().fresh, 0);
    /// ```
    pub fn stats(&self) -> ReplayStats {
        self.0.counters.stats()
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn flights(&self) -> &Arc<Flights> {
        &self.0.flights
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Which errors of this type are stored.
    pub(super) fn rule<E: 'static>(&self) -> Rule {
        self.0.rules.get(&TypeId::of::<E>()).cloned()
    }
}

impl<B> Clone for IdempotencyStore<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> fmt::Debug for IdempotencyStore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyStore")
            .field("config", &self.0.config)
            .field("stats", &self.0.counters.stats())
            .finish_non_exhaustive()
    }
}
