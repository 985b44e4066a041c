//! How a store is set up.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::Backend;
use super::error::IdempotencyError;
use super::outcome::ErrorRule;
use super::store::IdempotencyStore;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a store goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config {
    pub(super) ttl: Duration,
    pub(super) lease: Duration,
    pub(super) wait: Duration,
    pub(super) max_key_len: usize,
    pub(super) max_response_bytes: usize,
    pub(super) on_abandoned: OnAbandoned,
}

/// By the type of the errors that they are for.
pub(super) type Rules = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// What becomes of a request whose worker died between its effect and its reply, as far as anybody can know: it may have had the effect.
///
/// # Example: for a handler that may run twice
/// ```
/// use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned};
///
/// let store = IdempotencyStore::builder(MemoryBackend::new()).on_abandoned(OnAbandoned::Rerun).build()?;
/// # drop(store);
/// # Ok::<(), IdempotencyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnAbandoned {
    /// It is refused, as [`IdempotencyError::Abandoned`], until its record expires or somebody has looked into it. No effect is doubled, and
    /// one may be missing.
    #[default]
    Refuse,
    /// It runs again. No effect is missing, and one may be doubled, unless the handler itself prevents that.
    Rerun,
}

/// Sets up a store.
///
/// # Example: for a service whose handlers take long
/// ```
/// use std::time::Duration;
/// use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};
///
/// let store = IdempotencyStore::builder(MemoryBackend::new())
///     .ttl(Duration::from_secs(7 * 24 * 3600))
///     .wait(Duration::from_secs(20))
///     .max_response_bytes(64 << 10)
///     .build()?;
/// # drop(store);
/// # Ok::<(), IdempotencyError>(())
/// ```
#[must_use = "`build` makes the store"]
pub struct StoreBuilder<B> {
    pub(super) backend: B,
    pub(super) config: Config,
    pub(super) rules: Rules,
}

impl<B: Backend> StoreBuilder<B> {
    pub(super) fn new(backend: B) -> Self {
        Self {
            backend,
            config: Config {
                ttl: DAY,
                lease: MINUTE / 2,
                wait: Duration::from_secs(5),
                max_key_len: 255,
                max_response_bytes: 1 << 20,
                on_abandoned: OnAbandoned::default(),
            },
            rules: Rules::new(),
        }
    }

    /// How long a reply is replayed after it was stored: 24 hours, or from one minute to 30 days.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let builder = IdempotencyStore::builder(MemoryBackend::new()).ttl(Duration::from_secs(1));
    /// assert!(builder.build().is_err());
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.config.ttl = ttl;
        self
    }

    /// How long a worker may be silent before it is taken for dead: 30 seconds, or from 100 milliseconds to one hour. A third of it is how
    /// often a worker renews its claim while a handler runs. In a transaction, how long that may be idle.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let builder = IdempotencyStore::builder(MemoryBackend::new()).lease(Duration::from_secs(10));
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease;
        self
    }

    /// How long a request waits for another one with the same key that is running, before it gets [`IdempotencyError::InProgress`]: 5 seconds,
    /// or up to one hour. Zero does not wait.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let builder = IdempotencyStore::builder(MemoryBackend::new()).wait(Duration::ZERO);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn wait(mut self, wait: Duration) -> Self {
        self.config.wait = wait;
        self
    }

    /// How many bytes a key may have: 255, or from 1 to 4096.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let builder = IdempotencyStore::builder(MemoryBackend::new()).max_key_len(36);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn max_key_len(mut self, max_key_len: usize) -> Self {
        self.config.max_key_len = max_key_len;
        self
    }

    /// How many bytes a reply may have to be stored: 1 MiB, or up to 64 MiB. A larger one is returned to who made the call, and a repeat
    /// gets an error that says so.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let builder = IdempotencyStore::builder(MemoryBackend::new()).max_response_bytes(4096);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn max_response_bytes(mut self, max_response_bytes: usize) -> Self {
        self.config.max_response_bytes = max_response_bytes;
        self
    }

    /// What becomes of a request whose worker died: it is refused, unless this is [`OnAbandoned::Rerun`].
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend, OnAbandoned};
    /// let builder = IdempotencyStore::builder(MemoryBackend::new()).on_abandoned(OnAbandoned::Rerun);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn on_abandoned(mut self, on_abandoned: OnAbandoned) -> Self {
        self.config.on_abandoned = on_abandoned;
        self
    }

    /// Which errors of a type are stored, and replayed like values: those of which `is_stored` says so. Once for each type of error that
    /// handlers return. The rest is not stored: a repeat runs again.
    ///
    /// # Example: a card that was declined stays so
    /// ```
    /// # use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend};
    /// # #[derive(Debug)] enum PayError { Declined, Timeout }
    /// # impl serde::Serialize for PayError {
    /// #     fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str("declined") }
    /// # }
    /// # impl<'de> serde::Deserialize<'de> for PayError {
    /// #     fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> { Ok(PayError::Declined) }
    /// # }
    /// let store = IdempotencyStore::builder(MemoryBackend::new())
    ///     .store_error(|error: &PayError| matches!(error, PayError::Declined))
    ///     .build()?;
    /// # drop(store);
    /// # Ok::<(), IdempotencyError>(())
    /// ```
    pub fn store_error<E>(mut self, is_stored: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        E: Serialize + DeserializeOwned + 'static,
    {
        self.rules
            .insert(TypeId::of::<E>(), Arc::new(ErrorRule::new(is_stored)));
        self
    }

    /// Makes the store.
    ///
    /// # Errors
    /// [`IdempotencyError::Config`] if a number is out of its range.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
    /// let error = IdempotencyStore::builder(MemoryBackend::new()).max_key_len(0).build().unwrap_err();
    /// assert_eq!(error.to_string(), "`max_key_len` is 0 and has to be from 1 to 4096 bytes");
    /// ```
    pub fn build(self) -> Result<IdempotencyStore<B>, IdempotencyError> {
        let Config {
            ttl,
            lease,
            wait,
            max_key_len,
            max_response_bytes,
            on_abandoned: _,
        } = self.config;
        let times = [
            ("ttl", ttl, MINUTE..=30 * DAY, "from one minute to 30 days"),
            (
                "lease",
                lease,
                Duration::from_millis(100)..=60 * MINUTE,
                "from 100 milliseconds to one hour",
            ),
            ("wait", wait, Duration::ZERO..=60 * MINUTE, "up to one hour"),
        ];
        let wrong_time = times.into_iter().find(|(_, given, range, _)| !range.contains(given));
        let sizes = [
            ("max_key_len", max_key_len, 1..=4096, "from 1 to 4096 bytes"),
            ("max_response_bytes", max_response_bytes, 0..=64 << 20, "up to 64 MiB"),
        ];
        let wrong_size = sizes.into_iter().find(|(_, given, range, _)| !range.contains(given));
        let wrong = wrong_time
            .map(|(option, given, _, allowed)| (option, format!("{given:?}"), allowed))
            .or_else(|| wrong_size.map(|(option, given, _, allowed)| (option, given.to_string(), allowed)));
        match wrong {
            Some((option, given, allowed)) => Err(IdempotencyError::Config { option, given, allowed }),
            None => Ok(IdempotencyStore::with(self.backend, self.config, self.rules)),
        }
    }
}

impl<B> fmt::Debug for StoreBuilder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
